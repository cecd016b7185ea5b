"""FTP's control connection (RFC 959, 2428): each command with its reply, and where the data goes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text
from collectors.sensor.lines import Lines

REPLY = re.compile(rb"(\d{3})([ -])")
PASSIVE = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")
EXTENDED = re.compile(r"\(([!-~])\1\1(\d{1,5})\1\)")
EXTENDED_ACTIVE = re.compile(r"([!-~])([12])\1([0-9a-fA-F:.]+)\1(\d{1,5})\1")
MOST_WAITING = 100


class Ftp(Conversation):
    """One control connection."""

    __slots__ = ("_client", "_code", "_server", "_waiting")
    name = "ftp"

    def __init__(self) -> None:
        super().__init__()
        self._client, self._server = Lines(), Lines()
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        self._code = b""  # of a reply of several lines

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        said: list[Said] = []
        if from_client:
            for line in self._client.take(data):
                if line.strip():
                    if len(self._waiting) >= MOST_WAITING:
                        said.append(("ftp", *self._waiting.popleft()))
                    self._waiting.append((time, _command(line)))
            return said
        for line in self._server.take(data):
            if self._code:  # a long reply ends with its own code and a space
                if line.startswith(self._code + b" "):
                    self._code = b""
                    self._reply(line, time, said)
                continue
            found = REPLY.match(line)
            if found is None:
                continue
            if found[2] == b"-":
                self._code = found[1]
            else:
                self._reply(line, time, said)
        return said

    def _reply(self, line: bytes, time: int, said: list[Said]) -> None:
        code, words = int(line[:3]), text(line[4:])
        if not self._waiting:
            if code == 220:
                said.append(
                    ("ftp", time, {"sensor.ftp.reply_code": code, "sensor.ftp.reply": words})
                )
            return
        if 100 <= code < 200:  # the real answer is still to come
            self._waiting[0][1].setdefault("sensor.ftp.first_reply_code", code)
            return
        since, fields = self._waiting.popleft()
        fields["sensor.ftp.reply_code"] = code
        fields["sensor.ftp.reply"] = words
        if 200 <= code < 400:
            fields |= _data_end(fields, code, words)
        said.append(("ftp", since, fields))
        if fields["sensor.ftp.command"] == "AUTH" and code == 234:
            from collectors.sensor.identify import Undecided

            self.successor = Undecided(0, 0)

    def gap(self, from_client: bool, size: int, time: int) -> Sequence[Said]:
        """A line may be lost; the next one is read again."""
        (self._client if from_client else self._server).rest()
        return NOTHING

    def end(self, time: int) -> Sequence[Said]:
        """Commands without a reply."""
        said: list[Said] = [("ftp", *one) for one in self._waiting]
        self._waiting.clear()
        return said


def _command(line: bytes) -> dict[str, Any]:
    verb, _, argument = line.strip().partition(b" ")
    command = text(verb)[:20].upper()
    fields: dict[str, Any] = {"sensor.ftp.command": command}
    if argument:
        fields["sensor.ftp.argument"] = "" if command == "PASS" else text(argument)
    if command == "USER":
        fields["user.name"] = text(argument)
    return fields


def _data_end(fields: dict[str, Any], code: int, words: str) -> dict[str, Any]:
    """Where the data connection goes, if that is what was agreed on."""
    command, argument = fields["sensor.ftp.command"], fields.get("sensor.ftp.argument", "")
    if code == 229 and (found := EXTENDED.search(words)):
        return {"sensor.ftp.data_port": int(found[2]) & 0xFFFF}
    if command == "EPRT" and (found := EXTENDED_ACTIVE.fullmatch(argument)):
        return {"sensor.ftp.data_port": int(found[4]) & 0xFFFF}
    where = words if code == 227 else argument if command == "PORT" else ""
    if found := PASSIVE.search(where):
        *address, high, low = (int(one) & 0xFF for one in found.groups())
        return {
            "sensor.ftp.data_ip": ".".join(map(str, address)),
            "sensor.ftp.data_port": high << 8 | low,
        }
    return {}
