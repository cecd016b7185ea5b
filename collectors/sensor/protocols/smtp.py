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
CHUNK = re.compile(rb"(?i)(\d{1,11})(?: +LAST)?")
MOST_RECIPIENTS = 100
MOST_PENDING = 200
LONGEST_LINE = 4096


class _Sending:
    """One mail on its way: its envelope, its text, and where its reading is."""

    __slots__ = ("envelope", "mail", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.envelope: dict[str, Any] = {}
        self.mail: Mail | None = None


class Smtp(Conversation):
    """One connection. Commands wait for their replies in order, so that what the server refused did not happen.

    A client that pipelines begins the next mail before the reply to the last: each command that waits keeps its mail.
    """

    __slots__ = (
        "_bdat",
        "_held",
        "_helo",
        "_is_data",
        "_open",
        "_pending",
        "_server",
        "_server_name",
        "_unended",
    )
    name = "smtp"

    def __init__(self) -> None:
        super().__init__()
        self._held, self._server = b"", Lines(4096)
        self._helo = self._server_name = ""
        self._open: _Sending | None = None  # the mail that the client is at
        self._unended: list[_Sending] = []  # mails of which nothing was said yet, in order
        self._pending: deque[tuple[str, bytes, _Sending | None]] = deque()
        self._is_data = False
        self._bdat = 0  # bytes of a chunk to come

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        said: list[Said] = []
        if from_client:
            self._from_client(data, time)
            while len(self._unended) > MOST_PENDING:
                self._close(self._unended[0], said, "unanswered")
            return said
        for line in self._server.take(data):
            found = REPLY.match(line)
            if found is None or found[2] == b"-":
                continue
            self._reply(int(found[1]), line, time, said)
            if self.successor is not None:
                break
        return said

    def _from_client(self, data: bytes, time: int) -> None:
        data, self._held = self._held + data, b""
        while data:
            if self._bdat:
                data = self._chunk(data)
                continue
            line, newline, rest = data.partition(b"\n")
            if not newline:
                if self._is_data and len(data) > LONGEST_LINE:
                    self._body(data)
                elif len(data) <= LONGEST_LINE:
                    self._held = data
                return
            data = rest
            if not self._is_data:
                self._command(line.strip(), time)
            elif line.rstrip(b"\r") == b".":
                self._wait("end of data", b"")
                self._is_data, self._open = False, None
            else:
                self._body(line + b"\n")

    def _chunk(self, data: bytes) -> bytes:
        taken = data[: self._bdat]
        self._bdat -= len(taken)
        if self._open is not None and self._open.mail is not None:
            self._open.mail.take(taken)
        if not self._bdat and self._pending and _is_last(self._pending[-1][1]):
            self._open = None
        return data[len(taken) :]

    def _body(self, line: bytes) -> None:
        if self._open is not None and self._open.mail is not None:
            self._open.mail.take(line[1:] if line.startswith(b"..") else line)

    def _wait(self, verb: str, argument: bytes) -> None:
        if len(self._pending) < MOST_PENDING:
            self._pending.append((verb, argument, self._open))

    def _command(self, line: bytes, time: int) -> None:
        word, _, argument = line.partition(b" ")
        verb = word.upper().decode("latin-1")[:16]
        if not verb:
            return
        size = CHUNK.fullmatch(argument.strip()) if verb == "BDAT" else None
        if verb in ("DATA", "MAIL") or size is not None:
            self._begin(time)
        opened = self._open
        self._wait(verb, argument)
        if verb == "MAIL" and opened is not None:
            if sender := _path(argument):
                opened.envelope.setdefault("sensor.smtp.mail_from", sender)
        elif verb == "RCPT":
            self._add_recipient(argument)
        elif verb == "RSET":
            self._open = None
        elif opened is not None and (verb == "DATA" or size is not None):
            opened.mail = opened.mail or Mail()
            self._is_data = verb == "DATA"
            self._bdat = int(size[1]) if size is not None else 0
            if size is not None and not self._bdat and _is_last(argument):
                self._open = None

    def _reply(self, code: int, line: bytes, time: int, said: list[Said]) -> None:
        if not self._pending:
            if code == 220:
                self._server_name = text(line[4:].split(b" ")[0])[:255]
            return
        verb, argument, sending = self._pending.popleft()
        if verb in ("EHLO", "HELO", "LHLO"):
            if 200 <= code < 300:
                if sending is not None and sending.mail is None:
                    self._close(sending, said, "reset")
                self._helo = text(argument.strip())[:255]
        elif verb == "STARTTLS" and code == 220:
            self._start_tls(time, said)
        elif sending is not None:
            self._reply_to_mail(verb, argument, code, sending, said)

    def _reply_to_mail(
        self, verb: str, argument: bytes, code: int, sending: _Sending, said: list[Said]
    ) -> None:
        if verb == "MAIL" and code >= 400:
            sending.envelope["sensor.smtp.reply_code"] = code
        elif verb == "RSET" and code < 400:
            self._close(sending, said, "reset")
        elif verb == "DATA" and code >= 400:
            if sending is self._open:
                self._is_data = False
            sending.mail = None
            sending.envelope["sensor.smtp.reply_code"] = code
        elif verb == "end of data" or (verb == "BDAT" and _is_last(argument)):
            sending.envelope["sensor.smtp.reply_code"] = code
            self._close(sending, said, "accepted" if code < 400 else "refused")
        elif verb == "QUIT":
            self._close(sending, said, "quit")

    def _begin(self, time: int) -> None:
        if self._open is None:
            self._open = _Sending(time)
            self._unended.append(self._open)

    def _add_recipient(self, argument: bytes) -> None:
        if self._open is not None and (recipient := _path(argument)):
            listed = self._open.envelope.setdefault("sensor.smtp.rcpt_to", [])
            if len(listed) < MOST_RECIPIENTS:
                listed.append(recipient)

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

    def _close(self, sending: _Sending, said: list[Said], outcome: str) -> None:
        if sending not in self._unended:
            return
        self._unended.remove(sending)
        if sending is self._open:
            self._open = None
        fields = self._facts() | sending.envelope
        if sending.mail is not None:
            fields |= sending.mail.fields()
        fields["sensor.smtp.outcome"] = outcome
        said.append(("smtp", sending.start, fields))

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
        """Mails that were still going on."""
        said: list[Said] = []
        for sending in list(self._unended):
            self._close(sending, said, "accepted" if self._is_whole(sending) else "cut off")
        return said

    def _is_whole(self, sending: _Sending) -> bool:
        return any(verb == "end of data" and one is sending for verb, _, one in self._pending)


def _is_last(argument: bytes) -> bool:
    """Whether a BDAT's argument says that its chunk ends the mail."""
    return argument.upper().rstrip().endswith(b"LAST")


def _path(argument: bytes) -> str:
    found = PATH.match(argument.strip())
    return text(found[1].strip(b"<>"))[:320] if found else ""
