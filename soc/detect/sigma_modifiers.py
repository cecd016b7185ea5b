"""Sigma's encoding modifiers over bytes (appendix "Modifiers" 2.1.0, "Encoding").

pySigma encodes to UTF-16 by way of UTF-8 text, which refuses most letters beyond ASCII, turns the byte order mark FF FE
into three bytes, and shifts base64offset by characters. Here a modifier hands bytes to the next one: those that are no
UTF-8 stand in the text as lone surrogates (``surrogateescape``), and base64 takes them back.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, ClassVar

from sigma import exceptions as sx
from sigma.modifiers import SigmaValueModifier, modifier_mapping
from sigma.types import SigmaExpansion, SigmaString

_STARTS, _ENDS = (
    (0, 2, 3),
    (None, -3, -2),
)  # characters that bytes before and after the value change


class _ToBytes(SigmaValueModifier[SigmaString, SigmaString]):
    """Texts between wildcards become the text of their bytes."""

    encoding: ClassVar[str] = ""
    mark: ClassVar[bytes] = b""

    def modify(self, val: SigmaString) -> SigmaString:
        made = SigmaString()
        parts = [
            _text(part.encode(self.encoding, "surrogatepass")) if isinstance(part, str) else part
            for part in val.s
        ]
        if self.mark:
            parts.insert(0, _text(self.mark))
        made.s = tuple(parts)  # type: ignore[assignment]  # pySigma says list and makes tuples
        return made


class SigmaWideModifier(_ToBytes):
    """wide, utf16le: ``cmd`` is 63 00 6d 00 64 00."""

    encoding = "utf-16-le"


class SigmaUTF16BEModifier(_ToBytes):
    """utf16be: ``cmd`` is 00 63 00 6d 00 64."""

    encoding = "utf-16-be"


class SigmaUTF16Modifier(_ToBytes):
    """utf16: ``cmd`` is FF FE 63 00 6d 00 64 00."""

    encoding = "utf-16-le"
    mark = b"\xff\xfe"


class SigmaBase64Modifier(SigmaValueModifier[SigmaString, SigmaString]):
    """base64 of the bytes."""

    def modify(self, val: SigmaString) -> SigmaString:
        return SigmaString(b64encode(_bytes(val, self)).decode())


class SigmaBase64OffsetModifier(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """base64offset: the part of the encoding that stays the same, for each of the three places of the value."""

    def modify(self, val: SigmaString) -> SigmaExpansion:
        content = _bytes(val, self)
        return SigmaExpansion(
            [
                SigmaString(
                    b64encode(b" " * shift + content)[
                        _STARTS[shift] : _ENDS[(len(content) + shift) % 3]
                    ].decode()
                )
                for shift in range(3)
            ]
        )


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _bytes(val: SigmaString, modifier: SigmaValueModifier[Any, Any]) -> bytes:
    if val.contains_special():
        raise sx.SigmaValueError(
            "base64 of a text with wildcards is not possible", source=modifier.source
        )
    return "".join(map(str, val.s)).encode("utf-8", "surrogateescape")


def install() -> None:
    """Make pySigma use these."""
    modifier_mapping.update(
        {
            "wide": SigmaWideModifier,
            "utf16le": SigmaWideModifier,
            "utf16be": SigmaUTF16BEModifier,
            "utf16": SigmaUTF16Modifier,
            "base64": SigmaBase64Modifier,
            "base64offset": SigmaBase64OffsetModifier,
        }
    )
