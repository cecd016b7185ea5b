"""The result of an act, shown once on the next page with a way back for 30 seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import quote, unquote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

COOKIE = "soc_toast"
SECONDS = 30
MOST_IDS = 100  # more would not fit into a cookie; then there is no undo


@dataclass(frozen=True, slots=True)
class Toast:
    """``said`` is a key of ``templates/toast.html``; ``undo`` the address that takes the act back."""

    said: str
    count: int = 1
    undo: str = ""
    ids: tuple[str, ...] = ()


def back_to(address: str, toast: Toast | None = None) -> RedirectResponse:
    """Send the browser on (303) to an address of our own, with the result of the act."""
    response = RedirectResponse(own_address(address), status_code=303)
    if toast is not None:
        response.set_cookie(
            COOKIE,
            quote(json.dumps(asdict(toast), ensure_ascii=True)),
            max_age=SECONDS,
            httponly=True,
            samesite="strict",
        )
    return response


def own_address(address: str, default: str = "/") -> str:
    """``address`` if it is a path of this console, else ``default``: no redirect leads outside.

    >>> own_address("/alerts?open=CB-1"), own_address("//evil.example/x"), own_address("https://evil.example")
    ('/alerts?open=CB-1', '/', '/')
    """
    unsafe = not address.startswith("/") or address[1:2] in ("/", "\\")
    return default if unsafe or any(ord(sign) < 0x20 for sign in address) else address


def undoable(said: str, ids: Sequence[str], undo: str) -> Toast:
    """A toast with a way back, if the cookie can hold it."""
    if len(ids) > MOST_IDS:
        return Toast(said, len(ids))
    return Toast(said, len(ids), undo, tuple(ids))


def waiting(request: Request) -> Toast | None:
    """The toast that the last act left, if it can be read."""
    text = request.cookies.get(COOKIE)
    if not text:
        return None
    try:
        found = json.loads(unquote(text))
        return Toast(
            said=str(found["said"]),
            count=int(found["count"]),
            undo=own_address(str(found["undo"]), ""),
            ids=tuple(str(each) for each in found["ids"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def forget(response: Response) -> None:
    response.delete_cookie(COOKIE)
