"""Codes of an authenticator app (TOTP, RFC 6238), each good for one sign-in."""

from __future__ import annotations

from datetime import datetime

import pyotp
import pyotp.utils

STEP_SECONDS = 30
DRIFT_STEPS = 1  # a telephone's clock may be half a minute off


def new_secret() -> str:
    """160 bits in base32, as authenticator apps take it."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, *, account: str, issuer: str) -> str:
    """The ``otpauth://`` text that the QR code carries."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def matching_step(secret: str, code: str, *, after_step: int, now: datetime) -> int | None:
    """The time step whose code this is, or None.

    Args:
        code: six digits; blanks between them do not matter.
        after_step: the step of the last code used; that one and older ones are refused.
    """
    digits = "".join(code.split())
    newest = int(now.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for step in range(newest - DRIFT_STEPS, newest + DRIFT_STEPS + 1):
        if pyotp.utils.strings_equal(digits, totp.generate_otp(step)) and step > after_step:
            return step
    return None
