"""Text of byte strings that programs on Unix hand over: names and arguments may be in any encoding."""

from __future__ import annotations


def legible(text: str) -> str:
    r"""The text with bytes that are no UTF-8 (as ``os.fsdecode`` hides them) shown as replacement characters.

    >>> legible("caf\udce9")
    'caf�'
    """
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape" if _hides_bytes(text) else "replace").decode(
        "utf-8", "replace"
    )


def _hides_bytes(text: str) -> bool:
    """Whether every surrogate in it stands for a byte."""
    return all(0xDC80 <= ord(one) <= 0xDCFF for one in text if 0xD800 <= ord(one) <= 0xDFFF)
