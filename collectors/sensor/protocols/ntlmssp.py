"""NTLMSSP messages inside SMB, HTTP or others ([MS-NLMP]): who authenticates, from which machine."""

from __future__ import annotations

import struct
from typing import Any

from collectors.sensor.conversation import text

SIGNATURE = b"NTLMSSP\0"
CHALLENGE, AUTHENTICATE = 2, 3
UNICODE = 1


def read(blob: bytes) -> dict[str, Any]:
    """The names in the first NTLMSSP message of some bytes; nothing if there is none."""
    at = blob.find(SIGNATURE)
    if at < 0 or len(blob) < at + 12:
        return {}
    message = blob[at:]
    (kind,) = struct.unpack_from("<I", message, 8)
    if kind == CHALLENGE and len(message) >= 24:
        is_unicode = bool(message[20] & UNICODE)
        target = _field(message, 12, is_unicode)
        return {"sensor.ntlm.target": target} if target else {}
    if kind != AUTHENTICATE or len(message) < 64:
        return {}
    is_unicode = bool(message[60] & UNICODE)
    found: dict[str, Any] = {}
    for name, where in (("user.domain", 28), ("user.name", 36), ("sensor.ntlm.workstation", 44)):
        if value := _field(message, where, is_unicode):
            found[name] = value
    if not found.get("user.name"):
        found["user.name"] = "ANONYMOUS LOGON"
    return found


def _field(message: bytes, at: int, is_unicode: bool) -> str:
    size, _, offset = struct.unpack_from("<HHI", message, at)
    raw = message[offset : offset + min(size, 512)]
    return wide_text(raw) if is_unicode else text(raw)


def wide_text(raw: bytes) -> str:
    """UTF-16 LE as text, escaped like other text."""
    return text(raw[: len(raw) & ~1].decode("utf-16-le", "replace").encode("utf-8", "replace"))
