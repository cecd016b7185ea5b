"""Windows events as XML in one body: any number of ``<Event>`` elements, alone or within ``<Events>``.

Reference: Microsoft, "Event Schema" (the XML that ``EvtRender`` and forwarded events have). The same event twice has
the same bytes, its record number among them, so that it is stored once.
"""

from __future__ import annotations

import re

from soc.errors import BatchError
from soc.receive.batches import Broken
from soc.receive.posted import Post, Posted, key_of

_START = re.compile(rb"<Event[\s>]")
_END = b"</Event>"
_AROUND = re.compile(rb"(?:\s|<\?xml[^>]{0,200}\?>|</?Events(?:\s[^>]{0,500})?>)*")


def read(body: bytes) -> Posted:
    """The events of a body; what lies between them and is no blank is broken.

    Raises:
        BatchError: there is no event.
    """
    text = _utf8(body)
    posted = Posted()
    at = 0
    while (start := _START.search(text, at)) is not None:
        _note(posted, text[at : start.start()])
        stop = text.find(_END, start.start())
        if stop < 0:
            break
        at = stop + len(_END)
        raw = text[start.start() : at]
        posted.posts.append(Post(raw, key_of(raw)))
    _note(posted, text[at:])
    if not posted.posts:
        raise BatchError("no <Event> element in the body")
    return posted


def _note(posted: Posted, between: bytes) -> None:
    if _AROUND.fullmatch(between) is None:
        posted.broken.append(Broken(between, "bytes that are no <Event> element"))


def _utf8(body: bytes) -> bytes:
    """UTF-16 with a mark, as Windows writes it, becomes UTF-8."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return body.decode("utf-16").encode()
        except UnicodeError as error:
            raise BatchError(f"the body is not the UTF-16 that it says: {error}") from error
    return body.removeprefix(b"\xef\xbb\xbf")
