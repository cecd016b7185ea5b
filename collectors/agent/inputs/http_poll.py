"""A central server's REST interface, asked from time to time: pages of JSON, each item once.

``next`` is the answer's field that leads on: a link on the same server, or a token for ``next_parameter``. With
``since_parameter`` and ``since_field`` the newest value of that field is kept on disk and asked from the next time;
items that come again are told apart by their content. The token is read from its file for each round, so that it can be
renewed. An answer that is cut, is no JSON, or is an error is not taken, and asked for again after a pause that grows
to a quarter of an hour; what a 429 or 503 says in Retry-After is kept to.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from collectors.agent.inputs.drop_folder import bring, stream_of
from collectors.agent.inputs.export_rows import cut
from collectors.agent.inputs.seen_rows import SeenRows
from collectors.agent.intake import Intake

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0
TIMEOUT_SECONDS = 60.0
LARGEST_ANSWER = 64 * 1024 * 1024
MOST_PAGES = 10_000
GONE = frozenset({400, 404, 410})  # what servers say of a link that they no longer know


class PollError(Exception):
    """An answer that cannot be used now. ``after`` is what the server asks to wait, in seconds."""

    def __init__(self, reason: str, after: float = 0.0, status: int = 0) -> None:
        self.reason, self.after, self.status = reason, after, status
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Poll:
    """What to ask, as ``agent.yaml`` says it."""

    url: str
    token_file: Path | None = None
    ca: Path | None = None
    every_seconds: float = 300.0
    items: str = "value"  # dotted; empty: the answer is the list
    next: str = ""
    next_parameter: str = ""
    since_parameter: str = ""
    since_field: str = ""
    mapping: str = ""


class HttpPoll:
    """One interface. ``first_pause`` is in seconds."""

    def __init__(self, poll: Poll, *, first_pause: float = FIRST_PAUSE) -> None:
        self.poll, self.first_pause = poll, first_pause
        self.name = self.place = f"poll:{poll.url}"
        self._tls = ssl.create_default_context(cafile=str(poll.ca) if poll.ca else None)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def run(self, intake: Intake, stop: threading.Event) -> None:
        seen, pause = SeenRows(intake, self.name), 0.0
        try:
            seen.forget_old()
            while not stop.is_set():
                try:
                    self.round(intake, seen, stop)
                except (PollError, OSError, http.client.HTTPException) as error:
                    intake.notices.blind(self.name, str(error) or repr(error))
                    pause = min(LONGEST_PAUSE, max(pause * 2, self.first_pause))
                    stop.wait(min(LONGEST_PAUSE, max(pause, getattr(error, "after", 0.0))))
                else:
                    intake.notices.sees_again(self.name)
                    pause = 0.0
                    stop.wait(self.poll.every_seconds)
        finally:
            seen.close()

    def round(self, intake: Intake, seen: SeenRows, stop: threading.Event) -> int:
        """Ask for every page that is there, from the kept place on; how many new items came.

        Raises:
            PollError, OSError, http.client.HTTPException: a page could not be had; what came before is kept.
        """
        kept = intake.position(self.place) or {}
        seen.remember(kept.get("last", ()))
        since, newest = kept.get("since", ""), kept.get("newest", kept.get("since", ""))
        asked = kept.get("next") or self._first(since)
        came = 0
        for _ in range(MOST_PAGES):
            if stop.is_set():
                return came
            try:
                answer = self._ask(asked)
            except PollError as error:
                if error.status in GONE and asked != self._first(
                    since
                ):  # the next round begins at the first page
                    intake.commit({self.place: {"since": since, "newest": newest}})
                raise
            rows = self._items(answer)
            newest = max([newest, *self._since_of(rows)], key=_order)
            following = self._next(answer, asked)
            mark = {
                "since": since,
                "newest": newest,
                "next": asked,
            }  # a page half brought is asked for again
            stream = stream_of(self.poll.mapping, self.place)
            came += bring(rows, intake, seen, stop, stream=stream, place=self.place, mark=mark)
            if not following:
                break
            if following == asked:
                raise PollError("the answer leads to itself: mend `next` or `next_parameter`")
            intake.commit({self.place: {"since": since, "newest": newest, "next": following}})
            asked = following
        else:
            raise PollError(f"over {MOST_PAGES} pages in one round: the next round goes on")
        intake.commit({self.place: {"since": newest, "newest": newest}})
        return came

    def _first(self, since: str) -> str:
        parameter = self.poll.since_parameter
        return _with(self.poll.url, parameter, since) if parameter and since else self.poll.url

    def _ask(self, url: str) -> bytes:
        parts = urlsplit(url)
        headers = {"Accept": "application/json", "User-Agent": "soc-agent"}
        if self.poll.token_file is not None:
            token = self.poll.token_file.read_text(encoding="utf-8").strip()
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port or 443, timeout=TIMEOUT_SECONDS, context=self._tls
        )
        try:
            connection.request(
                "GET",
                f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}",
                headers=headers,
            )
            with connection.getresponse() as answer:
                body = answer.read(LARGEST_ANSWER + 1)
                promised = answer.getheader("Content-Length", "")
        finally:
            connection.close()
        if answer.status != 200:
            after = _seconds(answer.getheader("Retry-After", ""))
            remedy = "; the token may have expired" if answer.status in (401, 403) else ""
            raise PollError(
                f"the server answers {answer.status} {answer.reason}{remedy}", after, answer.status
            )
        if len(body) > LARGEST_ANSWER:
            raise PollError(f"an answer over {LARGEST_ANSWER} bytes: ask for smaller pages")
        if promised.isdecimal() and len(body) != int(promised):
            raise PollError(f"the answer was cut: {len(body)} of {promised} bytes")
        return body

    def _items(self, body: bytes) -> list[bytes]:
        """Each item's own bytes."""
        try:
            found = _at(json.loads(body), self.poll.items)
        except (ValueError, RecursionError) as error:
            raise PollError(f"the answer is no whole JSON: {error}") from error
        if not isinstance(found, list):
            raise PollError(f"the answer has no list at {self.poll.items!r}: mend `items`")
        if not self.poll.items:
            return list(cut(body).rows)
        return [
            json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode(
                "utf-8", "surrogatepass"
            )
            for one in found
        ]

    def _since_of(self, rows: list[bytes]) -> list[str]:
        if not self.poll.since_field:
            return []
        values = [_at(json.loads(row), self.poll.since_field) for row in rows]
        return [str(one) for one in values if isinstance(one, str | int)]

    def _next(self, body: bytes, asked: str) -> str:
        if not self.poll.next:
            return ""
        found = _at(json.loads(body), self.poll.next)
        if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
            return ""
        if self.poll.next_parameter:
            return _with(asked, self.poll.next_parameter, str(found))
        following = urljoin(asked, str(found))
        here, there = urlsplit(self.poll.url), urlsplit(following)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            raise PollError(
                f"the answer leads to another server ({there.netloc}): the token is not sent there"
            )
        return following


def _at(value: Any, path: str) -> Any:
    """What stands at a dotted path; a name with dots of its own is tried whole first."""
    if not path:
        return value
    if isinstance(value, Mapping) and path in value:
        return value[path]
    first, _, rest = path.partition(".")
    return _at(value.get(first), rest) if rest and isinstance(value, Mapping) else None


def _order(value: str) -> tuple[bool, int, str]:
    """Numbers by their size, texts (times in ISO 8601) by their letters."""
    is_number = value.isdecimal()
    return not is_number, len(value) if is_number else 0, value


def _with(url: str, parameter: str, value: str) -> str:
    parts = urlsplit(url)
    query = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != parameter
    ]
    return parts._replace(query=urlencode([*query, (parameter, value)])).geturl()


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() and len(text) < 6 else 0.0
