"""The ``#Fields:`` line of a W3C extended log file (IIS, Exchange, proxies), which names the columns of what follows.

A record goes to the platform alone, maybe to another process than the one before it: each has the line it is read by.
"""

from __future__ import annotations

import os

FIELDS = b"#Fields:"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST = 8_192  # bytes; a longer line names nothing
LONGEST_LINE = 1024 * 1024  # bytes; a longer one stays alone, as records have a limit
LOOKED_AT = 64 * 1024  # bytes of a file's beginning, where its names stand


def with_names(names: bytes, lines: list[bytes]) -> tuple[bytes, list[bytes]]:
    r"""Lines with the names that hold for each before it, and the names that hold after the last.

    >>> with_names(b"", [b"#Fields: a b", b"1 2"])
    (b'#Fields: a b', [b'#Fields: a b', b'#Fields: a b\n1 2'])
    """
    if not names and not any(FIELDS in line[: len(FIELDS) + 3] for line in lines):
        return names, lines
    told = []
    for line in lines:
        plain = line.removeprefix(BYTE_ORDER_MARK)
        if plain.startswith(FIELDS):
            names = plain.rstrip(b"\r") if len(plain) <= LONGEST else b""
        alone = not names or plain.startswith(b"#") or len(line) > LONGEST_LINE
        told.append(line if alone else names + b"\n" + line)
    return names, told


def may_name_columns(descriptor: int) -> bool:
    """Whether a file begins with a remark, as the format wants.

    In any other file a line that begins with ``#Fields:`` may have been put there by a stranger.
    """
    return os.pread(descriptor, 4, 0).removeprefix(BYTE_ORDER_MARK).startswith(b"#")


def names_before(descriptor: int, offset: int) -> bytes:
    """The names that hold at a place of a file, as its beginning tells them."""
    if not may_name_columns(descriptor):
        return b""
    begun = os.pread(descriptor, min(offset, LOOKED_AT), 0)
    names, _ = with_names(b"", begun.split(b"\n")[:-1])
    return names
