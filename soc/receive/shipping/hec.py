"""Splunk's HTTP Event Collector: JSON objects one after another, or raw lines.

Reference: Splunk, "Format events for HTTP Event Collector". Each object is kept as it stands; ``soc.collect.envelope``
takes the event out of it. HEC has no ids, so what a sender sends twice is stored twice.
"""

from __future__ import annotations

import json
import re

from soc.errors import BatchError
from soc.receive.batches import Broken
from soc.receive.posted import Post, Posted

_BLANK = re.compile(r"[\s,]*")  # some senders put commas between the objects
_decode = json.JSONDecoder().raw_decode


def read(body: bytes) -> Posted:
    """The objects of a request; from the first unreadable one on it is one broken piece.

    Raises:
        BatchError: not UTF-8, or there is nothing in it.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BatchError(f"HEC: {error}") from error
    posted = Posted()
    at = _skip(text, 0)
    while at < len(text):
        try:
            written, stop = _decode(text, at)
            if not isinstance(written, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError) as error:
            number = len(posted.posts)
            reason = f"HEC: event {number} cannot be read: {str(error)[:200]}"
            posted.broken.append(Broken(text[at:].encode(), reason))
            return posted
        posted.posts.append(Post(text[at:stop].encode()))
        at = _skip(text, stop)
    if not posted.posts:
        raise BatchError("HEC: no data")
    return posted


def read_raw(body: bytes) -> Posted:
    """One record for each line that is not blank.

    Raises:
        BatchError: there is none.
    """
    posts = [Post(line) for line in re.split(rb"\r?\n", body) if line.strip()]
    if not posts:
        raise BatchError("HEC: no data")
    return Posted(posts)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()
