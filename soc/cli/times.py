"""Times as people type them."""

from __future__ import annotations

import re
from datetime import timedelta

import typer

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """Read ``15m``, ``24h``, ``7d``, ``2w`` or ``90s``.

    Raises:
        typer.BadParameter: anything else.

    >>> duration("15m")
    datetime.timedelta(seconds=900)
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no duration; write 15m, 24h or 7d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})
