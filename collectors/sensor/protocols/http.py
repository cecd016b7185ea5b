"""HTTP/1 requests and responses: pipelined, chunked, one-sided, with gaps. One record for each pair.

Formats: RFC 9110 (semantics), RFC 9112 (HTTP/1.1). A body is counted, not kept.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text

REQUEST_LINE = re.compile(rb"([!-~]{1,40})[ \t]+(.*?)(?:[ \t]+(HTTP/\d\.\d))?[ \t]*\Z", re.DOTALL)
STATUS_LINE = re.compile(rb"HTTP/(\d\.\d)[ \t]+(\d{3})(?:[ \t]|\Z)")
RESPONSE_AGAIN = re.compile(rb"(?:\A|\n)(?=HTTP/1\.[01] \d{3})")
REQUEST_AGAIN = re.compile(rb"(?:\A|\n)(?=[A-Z]{3,12} [^\r\n]{1,4000} HTTP/1\.[01]\r?\n)")
LONGEST_HEAD = 65_536
MOST_WAITING = 1_000  # requests without an answer
MOST_HEADERS = 200
HEAD, BODY, CHUNK_SIZE, CHUNK, TRAILER, TO_THE_END, LOST = range(7)


class _Message:
    """One request or response."""

    __slots__ = ("body", "fields", "headers", "method", "status", "time")

    def __init__(self, time: int) -> None:
        self.time, self.body, self.status = time, 0, 0
        self.method = ""
        self.fields: dict[str, Any] = {}
        self.headers: list[str] = []


class _Side:
    """Where the reading of one side is."""

    __slots__ = ("held", "left", "message", "state")

    def __init__(self) -> None:
        self.state = HEAD
        self.left = 0  # bytes of the body or chunk
        self.held = b""
        self.message: _Message | None = None


class Http(Conversation):
    """One connection."""

    __slots__ = ("_client", "_keep_headers", "_server", "_waiting")
    name = "http"

    def __init__(self, keep_headers: bool = False) -> None:
        super().__init__()
        self._keep_headers = keep_headers
        self._client, self._server = _Side(), _Side()
        self._waiting: deque[_Message] = deque()  # requests, until their answers come

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        side = self._client if from_client else self._server
        if side.state == BODY and side.left > len(data):  # the body goes on, as it mostly does
            side.left -= len(data)
            if side.message is not None:
                side.message.body += len(data)
            return NOTHING
        said: list[Said] = []
        data = side.held + data if side.held else data
        side.held = b""
        at = 0
        while at < len(data) and not self.done:
            following = self._step(side, data, at, time, said)
            if following < 0:
                side.held = data[at:]
                break
            at = following
            if self.successor is not None:
                said += self.successor.take(from_client, data[at:], time) if at < len(data) else ()
                break
        return said

    def _step(self, side: _Side, data: bytes, at: int, time: int, said: list[Said]) -> int:
        """Read one thing at ``at``; where it ends, or -1 where more bytes are needed."""
        state = side.state
        if state == HEAD:
            return self._head(side, data, at, time, said)
        if state in (BODY, CHUNK):
            size = min(side.left, len(data) - at)
            side.left -= size
            self._count(side, size)
            if not side.left:
                if state == BODY:
                    self._complete(side, said)
                else:
                    side.state = CHUNK_SIZE
            return at + size
        if state == CHUNK_SIZE:
            return _chunk_size(side, data, at)
        if state == TRAILER:
            end = data.find(b"\n", at)
            if end < 0:
                return -1 if len(data) - at < LONGEST_HEAD else self._lose(side, data)
            if not data[at:end].strip():
                self._complete(side, said)
            return end + 1
        if state == TO_THE_END:
            self._count(side, len(data) - at)
            return len(data)
        again = (REQUEST_AGAIN if side is self._client else RESPONSE_AGAIN).search(data, at)
        if again is None:
            return len(data)
        side.state = HEAD
        return again.end()

    def _count(self, side: _Side, size: int) -> None:
        if side.message is not None:
            side.message.body += size

    def _lose(self, side: _Side, data: bytes) -> int:
        side.state = LOST
        return len(data)

    def _head(self, side: _Side, data: bytes, at: int, time: int, said: list[Said]) -> int:
        if data[at] in b"\r\n" and data[at : at + 2] != b"\r":
            return at + 1
        end, size = data.find(b"\r\n\r\n", at), 4
        other = data.find(b"\n\n", at, end if end >= 0 else len(data))
        if other >= 0:
            end, size = other, 2
        if end < 0:
            if len(data) - at > LONGEST_HEAD or not _may_begin(side is self._client, data, at):
                return self._lose(side, data)
            return -1
        lines = data[at:end].split(b"\n")
        message = _Message(time)
        is_request = side is self._client
        known = _request(message, lines[0]) if is_request else _response(message, lines[0])
        if not known:
            return self._lose(side, data)
        facts = self._headers(message, lines[1:], is_request)
        if is_request:
            self._request_begins(side, message, facts, said)
        else:
            self._response_begins(side, message, facts, said)
        return end + size

    def _headers(
        self, message: _Message, lines: list[bytes], is_request: bool
    ) -> tuple[int | None, bool, bool]:
        """(length of the body, is it chunked, is the connection upgraded); what is worth keeping goes to the fields."""
        length, is_chunked, upgrades = None, False, False
        fields = message.fields
        for line in lines[:MOST_HEADERS]:
            name, colon, value = line.partition(b":")
            if not colon:
                continue
            name, value = name.strip().lower(), value.strip()
            if name == b"content-length":
                if value.isdigit() and len(value) < 19 and length is None:
                    length = int(value)
            elif name == b"transfer-encoding":
                is_chunked = b"chunked" in value.lower()
            elif name == b"upgrade":
                upgrades = True
            elif name in KEPT:
                kept = REQUEST_FIELD if is_request else RESPONSE_FIELD
                if name in kept:
                    fields.setdefault(kept[name], text(value))
            if self._keep_headers:
                message.headers.append(f"{text(line.partition(b':')[0].strip())}: {text(value)}")
        return length, is_chunked, upgrades

    def _request_begins(
        self, side: _Side, message: _Message, facts: tuple[int | None, bool, bool], said: list[Said]
    ) -> None:
        length, is_chunked, _ = facts
        if len(self._waiting) >= MOST_WAITING:
            said.append(_pair(self._waiting.popleft(), None))
        self._waiting.append(message)
        self._body(side, message, length or 0, is_chunked, said)

    def _response_begins(
        self, side: _Side, message: _Message, facts: tuple[int | None, bool, bool], said: list[Said]
    ) -> None:
        length, is_chunked, upgrades = facts
        status = message.status
        if 100 <= status < 200 and status != 101:  # the real answer is still to come
            return
        request = self._waiting[0] if self._waiting else None
        method = request.method if request is not None else ""
        if (method == "CONNECT" and status < 300) or (status == 101 and upgrades):
            if self._waiting:
                self._waiting.popleft()
            said.append(_pair(request, message))
            self._hand_over(method)
            return
        if status in (204, 304) or method == "HEAD":
            length, is_chunked = 0, False
        if length is None and not is_chunked:
            side.message, side.state = message, TO_THE_END
            return
        self._body(side, message, length or 0, is_chunked, said)

    def _hand_over(self, method: str) -> None:
        """A tunnel begins: what is inside is another conversation."""
        if method == "CONNECT":
            from collectors.sensor.identify import Undecided

            self.successor = Undecided(0, 0, self._keep_headers)
        else:
            self.done = True

    def _body(
        self, side: _Side, message: _Message, length: int, is_chunked: bool, said: list[Said]
    ) -> None:
        side.message = message
        if is_chunked:
            side.state = CHUNK_SIZE
        elif length:
            side.state, side.left = BODY, length
        else:
            self._complete(side, said)

    def _complete(self, side: _Side, said: list[Said]) -> None:
        """A message ends. A response ends its pair."""
        message, side.message, side.state = side.message, None, HEAD
        if side is self._server and message is not None:
            said.append(_pair(self._waiting.popleft() if self._waiting else None, message))

    def gap(self, from_client: bool, size: int, time: int) -> Sequence[Said]:
        """A hole inside a body is stepped over; after any other, the next message that is whole is looked for."""
        side = self._client if from_client else self._server
        said: list[Said] = []
        if side.state == TO_THE_END or (side.state in (BODY, CHUNK) and size <= side.left):
            self._count(side, size)
            if side.state != TO_THE_END:
                side.left -= size
                if not side.left and side.state == BODY:
                    self._complete(side, said)
                elif not side.left:
                    side.state = CHUNK_SIZE
            return said
        if side.message is not None:
            self._count(side, side.left)
            self._complete(side, said)
        side.state, side.left, side.held = LOST, 0, b""
        return said

    def end(self, time: int) -> Sequence[Said]:
        """Requests without an answer, and the answer that ends with the connection."""
        said: list[Said] = []
        if self._server.message is not None:
            self._complete(self._server, said)
        elif self._server.held:
            self._unfinished_response(said)
        if self._client.state == HEAD and self._client.held:
            self._unfinished_request(time)
        said += [_pair(request, None) for request in self._waiting]
        self._waiting.clear()
        return said

    def _unfinished_request(self, time: int) -> None:
        """A request whose head was never finished, if its first line was."""
        lines = self._client.held.split(b"\n")
        message = _Message(time)
        if len(lines) > 1 and _request(message, lines[0]) and message.fields.get("http.version"):
            self._headers(message, lines[1:], True)
            self._waiting.append(message)

    def _unfinished_response(self, said: list[Said]) -> None:
        lines = self._server.held.split(b"\n")
        message = _Message(self._waiting[0].time if self._waiting else 0)
        if len(lines) > 1 and self._waiting and _response(message, lines[0]):
            self._headers(message, lines[1:-1], False)
            said.append(_pair(self._waiting.popleft(), message))


REQUEST_FIELD = {
    b"host": "url.domain",
    b"user-agent": "user_agent.original",
    b"referer": "http.request.referrer",
    b"content-type": "http.request.mime_type",
    b"x-forwarded-for": "network.forwarded_ip",
    b"authorization": "sensor.http.authorization",
}
RESPONSE_FIELD = {
    b"content-type": "http.response.mime_type",
    b"server": "sensor.http.server",
    b"location": "sensor.http.location",
}
KEPT = frozenset(REQUEST_FIELD) | frozenset(RESPONSE_FIELD)


def _chunk_size(side: _Side, data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    if end < 0:
        if len(data) - at > 1024:
            side.state = LOST
            return len(data)
        return -1
    line = data[at:end].partition(b";")[0].strip()
    if not line:  # the line end behind a chunk
        return end + 1
    try:
        size = int(line, 16) if len(line) <= 12 and line.isalnum() else -1
    except ValueError:
        size = -1
    if size < 0:
        side.state = LOST
        return len(data)
    side.left, side.state = size, CHUNK if size else TRAILER
    return end + 1


def _may_begin(is_request: bool, data: bytes, at: int) -> bool:
    """Whether what stands there may become a head when more comes."""
    line, newline, _ = data[at : at + 8192].partition(b"\n")
    if not newline:
        return is_request or data.startswith((b"HTTP/", b"HTTP"[: len(data) - at]), at)
    pattern = REQUEST_LINE if is_request else STATUS_LINE
    return pattern.match(line.rstrip(b"\r")) is not None


def _request(message: _Message, line: bytes) -> bool:
    found = REQUEST_LINE.match(line.rstrip(b"\r"))
    if found is None:
        return False
    method, target, version = found.groups()
    message.method = method.decode("ascii")
    fields = message.fields
    fields["http.request.method"] = message.method
    fields["url.original"] = text(target)
    if version:
        fields["http.version"] = version[5:].decode("ascii")
    return True


def _response(message: _Message, line: bytes) -> bool:
    found = STATUS_LINE.match(line.rstrip(b"\r"))
    if found is None:
        return False
    message.status = int(found[2])
    message.fields["http.version"] = found[1].decode("ascii")
    message.fields["http.response.status_code"] = message.status
    return True


def _pair(request: _Message | None, response: _Message | None) -> Said:
    """The record of a request and its answer; either may be missing."""
    fields: dict[str, Any] = {}
    if request is not None:
        _finish_request(request, fields)
    if response is not None:
        version = fields.get("http.version")
        fields |= response.fields
        if version:
            fields["http.version"] = version
        if mime := fields.get("http.response.mime_type"):
            fields["http.response.mime_type"] = mime.partition(";")[0].strip()
        fields["http.response.body.bytes"] = response.body
        if response.headers:
            fields["sensor.http.response.headers"] = response.headers
    else:
        fields["sensor.http.is_unanswered"] = True
    time = request.time if request is not None else response.time if response is not None else 0
    return "http", time, fields


def _finish_request(request: _Message, fields: dict[str, Any]) -> None:
    fields |= request.fields
    if request.body:
        fields["http.request.body.bytes"] = request.body
    if host := fields.get("url.domain"):
        name, colon, port = host.rpartition(":")
        if colon and port.isdigit() and len(port) < 6 and not host.endswith("]"):
            fields["url.domain"], fields["url.port"] = name, int(port)
    if said := fields.pop("sensor.http.authorization", ""):
        fields["sensor.http.authorization_scheme"] = said.partition(" ")[0][:40]
    target = fields["url.original"]
    if target.startswith("/"):
        path, mark, query = target.partition("?")
        fields["url.path"] = path
        if mark:
            fields["url.query"] = query
    if forwarded := fields.pop("network.forwarded_ip", ""):
        fields["sensor.http.forwarded_for"] = forwarded
    if request.headers:
        fields["sensor.http.request.headers"] = request.headers
