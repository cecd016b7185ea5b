"""SMTP: one record for each mail that is sent, tried or given up, with the envelope and the facts of its head.

Formats: RFC 5321, 3030 (BDAT), 3207 (STARTTLS), 2920 (pipelining). The mail's own text is read in ``mail``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text
from collectors.sensor.lines import Lines
from collectors.sensor.protocols.mail import Mail

PATH = re.compile(rb"(?i)(?:from|to):\s*(<[^>]*>|\S+)")
REPLY = re.compile(rb"(\d{3})(?:([ -])|\Z)")
MOST_RECIPIENTS = 100
MOST_PENDING = 200
LONGEST_LINE = 4096


class Smtp(Conversation):
    """One connection. Commands wait for their replies in order, so that what the server refused did not happen."""

    __slots__ = (
        "_bdat",
        "_envelope",
        "_held",
        "_helo",
        "_is_data",
        "_mail",
        "_pending",
        "_server",
        "_server_name",
        "_start",
    )
    name = "smtp"

    def __init__(self) -> None:
        super().__init__()
        self._held, self._server = b"", Lines(4096)
        self._helo = self._server_name = ""
        self._envelope: dict[str, Any] | None = None
        self._mail: Mail | None = None
        self._pending: deque[tuple[str, bytes]] = deque()
        self._is_data = False
        self._bdat = 0  # bytes of a chunk to come
        self._start = 0

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        said: list[Said] = []
        if from_client:
            self._from_client(data, time, said)
        else:
            for line in self._server.take(data):
                found = REPLY.match(line)
                if found is None or found[2] == b"-":
                    continue
                self._reply(int(found[1]), line, time, said)
                if self.successor is not None:
                    break
        return said

    def _from_client(self, data: bytes, time: int, said: list[Said]) -> None:
        data, self._held = self._held + data, b""
        while data:
            if self._bdat:
                taken = data[: self._bdat]
                self._bdat -= len(taken)
                data = data[len(taken) :]
                if self._mail is not None:
                    self._mail.take(taken)
                continue
            line, newline, rest = data.partition(b"\n")
            if not newline:
                if self._is_data and len(data) > LONGEST_LINE:
                    self._body(data)
                elif len(data) <= LONGEST_LINE:
                    self._held = data
                return
            data = rest
            if self._is_data:
                if line.rstrip(b"\r") == b".":
                    self._is_data = False
                    self._wait("end of data", b"")
                else:
                    self._body(line + b"\n")
                continue
            self._command(line.strip(), time, said)

    def _body(self, line: bytes) -> None:
        if self._mail is not None:
            self._mail.take(line[1:] if line.startswith(b"..") else line)

    def _wait(self, verb: str, argument: bytes) -> None:
        if len(self._pending) < MOST_PENDING:
            self._pending.append((verb, argument))

    def _command(self, line: bytes, time: int, said: list[Said]) -> None:
        word, _, argument = line.partition(b" ")
        verb = word.upper().decode("latin-1")[:16]
        if not verb:
            return
        self._wait(verb, argument)
        if verb == "DATA":
            self._is_data = True
            self._begin_mail(time)
        elif verb == "BDAT":
            size = argument.split(b" ", 1)[0]
            self._bdat = int(size) if size.isdigit() and len(size) < 12 else 0
            self._begin_mail(time)
        elif verb == "MAIL":
            if self._envelope is None:
                self._open(argument, time)
        elif verb == "RCPT":
            self._add_recipient(argument)

    def _reply(self, code: int, line: bytes, time: int, said: list[Said]) -> None:
        if not self._pending:
            if code == 220:
                self._server_name = text(line[4:].split(b" ")[0])[:255]
            return
        verb, argument = self._pending.popleft()
        if verb in ("EHLO", "HELO", "LHLO"):
            if 200 <= code < 300:
                if self._envelope is not None and self._mail is None:
                    self._close(said, "reset")
                self._helo = text(argument.strip())[:255]
        elif verb == "MAIL":
            if code >= 400 and self._envelope is not None:
                self._envelope["sensor.smtp.reply_code"] = code
        elif verb == "RSET":
            if self._envelope is not None and code < 400:
                self._close(said, "reset")
        elif verb == "STARTTLS" and code == 220:
            self._start_tls(time, said)
        elif verb == "DATA" and code >= 400:
            self._is_data, self._mail = False, None
            self._mark(code)
        elif verb == "end of data" or (verb == "BDAT" and argument.upper().endswith(b"LAST")):
            self._mark(code)
            self._close(said, "accepted" if code < 400 else "refused")
        elif verb == "QUIT" and self._envelope is not None:
            self._close(said, "quit")

    def _mark(self, code: int) -> None:
        if self._envelope is not None:
            self._envelope["sensor.smtp.reply_code"] = code

    def _open(self, argument: bytes, time: int) -> None:
        self._start = time
        self._envelope = {}
        if sender := _path(argument):
            self._envelope["sensor.smtp.mail_from"] = sender

    def _add_recipient(self, argument: bytes) -> None:
        if self._envelope is not None and (recipient := _path(argument)):
            listed = self._envelope.setdefault("sensor.smtp.rcpt_to", [])
            if len(listed) < MOST_RECIPIENTS:
                listed.append(recipient)

    def _begin_mail(self, time: int) -> None:
        if self._envelope is None:
            self._start, self._envelope = time, {}
        if self._mail is None:
            self._mail = Mail()

    def _start_tls(self, time: int, said: list[Said]) -> None:
        from collectors.sensor.protocols.tls import Tls

        fields = self._facts()
        fields["sensor.smtp.outcome"] = "starttls"
        said.append(("smtp", time, fields))
        self.successor = Tls()

    def _facts(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if self._helo:
            fields["sensor.smtp.helo"] = self._helo
        if self._server_name:
            fields["sensor.smtp.server"] = self._server_name
        return fields

    def _close(self, said: list[Said], outcome: str) -> None:
        fields = self._facts() | (self._envelope or {})
        if self._mail is not None:
            fields |= self._mail.fields()
        fields["sensor.smtp.outcome"] = outcome
        said.append(("smtp", self._start, fields))
        self._envelope = self._mail = None

    def gap(self, from_client: bool, size: int, time: int) -> Sequence[Said]:
        """A hole in a mail's text is stepped over; elsewhere a line may be lost."""
        if from_client:
            self._held = b""
            self._bdat = max(0, self._bdat - size)
        else:
            self._server.rest()
            self._pending.clear()
        return NOTHING

    def end(self, time: int) -> Sequence[Said]:
        """A mail that was still going on."""
        said: list[Said] = []
        if self._envelope is not None:
            self._close(said, "accepted" if self._is_whole() else "cut off")
        return said

    def _is_whole(self) -> bool:
        return any(verb == "end of data" for verb, _ in self._pending)


def _path(argument: bytes) -> str:
    found = PATH.match(argument.strip())
    return text(found[1].strip(b"<>"))[:320] if found else ""
