"""Passwords: argon2id, and the one-time passwords that the platform makes itself."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from soc.errors import FormError

SHORTEST = 12  # characters
LONGEST = 200
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else


def one_time_password() -> str:
    """Four groups of four characters, 79 bits: easy to read aloud and to type."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


class Passwords:
    """Hashes and verifies. The answer takes as long for an unknown account as for a known one."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """``hasher``: argon2id of RFC 9106's second recommendation (64 MiB, 3 passes) unless given."""
        self._hasher = hasher or PasswordHasher(type=Type.ID)
        self._nobodys_hash = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, password: str, kept_hash: str | None) -> bool:
        """Whether the password is right; with no kept hash the same work is done and the answer is no."""
        try:
            self._hasher.verify(kept_hash or self._nobodys_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        return kept_hash is not None

    def outdated(self, kept_hash: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(kept_hash)


def check_new_password(password: str, *, account: str) -> None:
    """Refuse a password that is too short, too long, too plain or the account's own name.

    Raises:
        FormError: the problems, in plain words.
    """
    problems = []
    if len(password) < SHORTEST:
        problems.append(f"a password has at least {SHORTEST} characters")
    if len(password) > LONGEST:
        problems.append(f"a password has at most {LONGEST} characters")
    if password and len(set(password)) < 5:
        problems.append("a password has at least 5 different characters")
    if len(account) > 2 and account.casefold() in password.casefold():
        problems.append("a password does not contain the account's name")
    if problems:
        raise FormError("password", problems)
