"""Identifier codes of agencies (mã định danh), in both orders.

QĐ 20/2020/QĐ-TTg: up to 35 characters, digits 0-9 and letters A-Z in groups separated by dots, the code of the first
level FIRST (``H01.05.12``). QCVN 102:2016 wrote it LAST, in groups of fixed width for the levels 4, 3, 2 and 1
(``012.05.03.H01``).
"""

from __future__ import annotations

import re

LONGEST = 35  # characters
GROUPS = re.compile(r"[0-9A-Z]+(?:\.[0-9A-Z]+)*")
FIRST_LEVEL = re.compile(r"[A-Z][0-9]{2}")
LAST_ORDER = re.compile(r"([0-9]{3})\.([0-9]{2})\.([0-9]{2})\.([A-Z][0-9]{2})")
WIDTHS = (2, 2, 3)  # digits of levels 2, 3 and 4 in the old order


def check_code(code: str) -> str:
    """Give the code back.

    Raises:
        ValueError: empty, too long, or with other characters than 0-9, A-Z and single dots.
    """
    if len(code) > LONGEST:
        raise ValueError(f"{code!r} has {len(code)} characters, an identifier at most {LONGEST}")
    if not GROUPS.fullmatch(code):
        raise ValueError(
            f"{code!r} is no identifier: groups of 0-9 and A-Z separated by single dots"
        )
    return code


def to_first_order(code: str) -> str:
    """The code with its first level first; codes of other schemes stay as they are.

    Raises:
        ValueError: see ``check_code``; or a level below a level that is zero.

    >>> to_first_order("000.00.00.H01"), to_first_order("012.05.03.H01"), to_first_order("H01.05")
    ('H01', 'H01.03.05.012', 'H01.05')
    """
    found = LAST_ORDER.fullmatch(check_code(code))
    if found is None:
        return code
    fourth, third, second, first = found.groups()
    groups = [second, third, fourth]
    while groups and not int(groups[-1]):
        groups.pop()
    if any(not int(group) for group in groups):
        raise ValueError(f"{code!r} leaves out a level between two others")
    return ".".join((first, *groups))


def to_last_order(code: str) -> str:
    """The code as QCVN 102:2016 writes it.

    Raises:
        ValueError: the code has no such form: too many levels, or a group that is too wide.

    >>> to_last_order("H01"), to_last_order("H01.05"), to_last_order("000.00.00.H01")
    ('000.00.00.H01', '000.00.05.H01', '000.00.00.H01')
    """
    first, *groups = to_first_order(code).split(".")
    fits = (
        FIRST_LEVEL.fullmatch(first)
        and len(groups) <= len(WIDTHS)
        and all(
            group.isdecimal() and len(group) <= width
            for group, width in zip(groups, WIDTHS, strict=False)
        )
    )
    if not fits:
        raise ValueError(
            f"{code!r} has no form in the old order (three levels of 2, 2 and 3 digits)"
        )
    padded = [
        group.zfill(width) for group, width in zip([*groups, "", "", ""], WIDTHS, strict=False)
    ]
    return ".".join((*reversed(padded), first))
