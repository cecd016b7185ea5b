"""Forms whose fields are known only at run time: playbook steps and report forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import FormData

MANY = frozenset({"choices"})


async def form_of(request: Request) -> FormData:
    """The fields as sent; a dependency, so that the route itself may be a plain function."""
    return await request.form()


Sent = Annotated[FormData, Depends(form_of)]


def values_of(
    sent: FormData, kinds: Mapping[str, str], *, prefix: str = ""
) -> dict[str, str | list[str]]:
    """The fields named in ``kinds`` that were sent; a field of several choices is a list, also when none is ticked."""
    values: dict[str, str | list[str]] = {}
    for name, kind in kinds.items():
        texts = [value for value in sent.getlist(prefix + name) if isinstance(value, str)]
        if kind in MANY:
            values[name] = [text for text in texts if text]
        elif texts:
            values[name] = iso_day(texts[-1]) if kind == "date" else texts[-1]
    return values


def iso_day(text: str) -> str:
    """``dd/mm/yyyy`` as ``yyyy-mm-dd``; anything else stays for the form to refuse.

    >>> iso_day("21/11/2026"), iso_day("mai")
    ('2026-11-21', 'mai')
    """
    parts = text.strip().split("/")
    return "-".join(reversed(parts)) if [len(part) for part in parts] == [2, 2, 4] else text


def changed(
    values: Mapping[str, str | list[str]], shown: Mapping[str, Any]
) -> dict[str, str | list[str]]:
    """What differs from what the page showed, so that values taken from the records stay live.

    >>> changed({"a": "1", "b": "x\\r\\ny", "c": []}, {"a": "1", "b": ["x", "y"]})
    {}
    """
    return {
        name: value for name, value in values.items() if _plain(value) != _plain(shown.get(name))
    }


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(str(each) for each in value)
    return str(value).replace("\r\n", "\n").strip()
