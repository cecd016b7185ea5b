"""Syslog over TLS (RFC 5425) and over RELP, with or without TLS: doors whose senders can be known by certificate.

A RELP message is answered when it is in the spool, and what a sender repeats after a broken line is kept once, also
when the agent was killed between keeping and answering. TLS syslog has no answers: what is on the line when the agent
dies is the sender's loss.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.agent.inputs.relp import OFFERS, WINDOW, Command, Commands, RelpError, Tails, digest
from collectors.agent.inputs.syslog import SOURCE, Frames, Streams
from collectors.agent.intake import Intake

CHUNK_BYTES = 256 * 1024
QUIET_SECONDS = 0.5  # after which a sender has repeated what it wanted to repeat
LOOK_SECONDS = 0.25
SLOTS_LOOKED_FOR = 64  # connections of one sender whose tails are looked for
Serve = Callable[[Intake, asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of a TLS door. With ``client_ca`` a sender must show a certificate of that authority."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises OSError (ssl.SSLError is one) when a file cannot be used."""
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        # No session tickets: a sender that only writes never reads them, and closing a line with something unread on
        # it throws away what the other side has not read yet.
        made.num_tickets = 0
        made.load_cert_chain(self.certificate, self.key)
        if self.client_ca is not None:
            made.load_verify_locations(self.client_ca)
            made.verify_mode = ssl.CERT_REQUIRED
        return made


class SyslogStreams:
    """One door: ``tls``, ``relp``, or ``relp_tls``, at (host, port)."""

    def __init__(
        self,
        kind: str,
        address: tuple[str, int],
        *,
        certificates: Certificates | None = None,
        source: str = SOURCE,
    ) -> None:
        self.kind, self.address, self.source = kind, address, source
        self.certificates = certificates
        self.name = f"syslog:{kind}:{address[1]}"
        self._streams = Streams(kind, address[1])
        self.tails = Tails()

    def run(self, intake: Intake, stop: threading.Event) -> None:
        asyncio.run(self._run(intake, stop))

    async def _run(self, intake: Intake, stop: threading.Event) -> None:
        serve = self._serve_lines if self.kind == "tls" else self._serve_relp
        busy: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._guarded(serve, intake, reader, writer))
            busy.add(task)
            task.add_done_callback(busy.discard)

        try:
            context = self.certificates.context() if self.certificates else None
            server = await asyncio.start_server(connected, *self.address, ssl=context)
        except OSError as error:
            intake.notices.blind(self.name, f"{self.address[0]}:{self.address[1]}: {error}")
            return
        intake.notices.sees_again(self.name)
        async with server:
            while not stop.is_set():
                await asyncio.sleep(LOOK_SECONDS)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)

    async def _guarded(
        self,
        serve: Serve,
        intake: Intake,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Serve one connection; what is wrong with it is told, and costs no other."""
        peer = str(writer.get_extra_info("peername", ("?",))[0])
        try:
            await serve(intake, reader, writer, peer)
        except RelpError as error:
            reason = f"{peer}: {error}"
            intake.notices.tell(
                "input_error", f"{self.name}: {reason}", input=self.name, reason=reason
            )
        except OSError:
            pass  # the line broke: the sender comes again
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _stream(self, writer: asyncio.StreamWriter, peer: str) -> str:
        return self._streams.of(peer, certificate_name(writer.get_extra_info("peercert")))

    async def _serve_lines(
        self, intake: Intake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> None:
        stream, frames = self._stream(writer, peer), Frames()
        with suppress(OSError):  # the line broke: what came before it is kept
            while chunk := await reader.read(CHUNK_BYTES):
                messages = list(frames.take(chunk))
                if messages:
                    await asyncio.to_thread(intake.put, stream, self.source, messages)
        if rest := frames.rest():
            await asyncio.to_thread(intake.put, stream, self.source, [rest])

    # ── RELP ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _serve_relp(
        self, intake: Intake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> None:
        session = _Session(self, intake, writer, peer, self._stream(writer, peer))
        for slot in range(SLOTS_LOOKED_FOR):
            written = intake.position(session.key(slot))
            if not isinstance(written, str):
                break
            self.tails.load(peer, slot, written)
        await session.serve(reader)


class _Session:
    """One RELP connection."""

    def __init__(
        self,
        door: SyslogStreams,
        intake: Intake,
        writer: asyncio.StreamWriter,
        peer: str,
        stream: str,
    ) -> None:
        self.door, self.intake, self.writer, self.peer, self.stream = (
            door,
            intake,
            writer,
            peer,
            stream,
        )
        self.tails = door.tails
        self.slot: int | None = None  # until it is known what this connection repeats
        self.waiting: list[Command] = []

    def key(self, slot: int) -> str:
        """Of the position that keeps the tail."""
        return f"relp:{self.door.address[1]}/{self.peer}/{slot}"

    async def serve(self, reader: asyncio.StreamReader) -> None:
        commands = Commands()
        try:
            while True:
                try:
                    seconds = QUIET_SECONDS if self.waiting else None
                    chunk = await asyncio.wait_for(reader.read(CHUNK_BYTES), seconds)
                except TimeoutError:
                    await self._settle()
                    continue
                for command in commands.take(chunk) if chunk else ():
                    if not await self._take(command):
                        return
                if not chunk:
                    return
                if self._is_clear():
                    await self._settle()
        finally:
            if self.slot is not None:
                self.tails.end(self.peer, self.slot)

    def _is_clear(self) -> bool:
        """Whether it is known, or can be told now, what this connection repeats."""
        if self.slot is not None or len(self.waiting) >= WINDOW:
            return True
        return not self.tails.knows(self.peer)

    async def _take(self, command: Command) -> bool:
        """One command; whether the connection goes on."""
        if command.name == "syslog":
            self.waiting.append(command)
            return True
        await self._settle()
        if command.name == "open":
            await self._answer([command.answer(OFFERS)])
            return True
        if command.name == "close":
            await self._answer([command.answer(), b"0 serverclose 0\n"])
            return False
        await self._answer([command.answer(b"500 unknown command")])
        return True

    async def _settle(self) -> None:
        """Keep the messages that wait, but for those that are kept already, and answer them all."""
        if not self.waiting:
            return
        waiting, self.waiting = self.waiting, []
        digests = [digest(command.data) for command in waiting]
        known = 0
        if self.slot is None:
            self.slot, known = self.tails.begin(self.peer, digests)
        fresh = [command.data for command in waiting[known:]]
        tail = self.tails.kept(self.peer, self.slot, digests[known:])
        if fresh and not await self._keep(fresh, {self.key(self.slot): tail}):
            raise ConnectionAbortedError("the agent stops")  # not kept, so not answered
        if known:
            name = self.door.name
            message = f"{name}: {known} messages came again from {self.peer} and are kept once"
            self.intake.notices.tell("repeated", message, input=name, records=known)
        await self._answer([command.answer() for command in waiting])

    async def _keep(self, messages: Sequence[bytes], positions: Mapping[str, Any]) -> bool:
        def keep() -> bool:
            return self.intake.put(self.stream, self.door.source, messages, positions=positions)

        return await asyncio.to_thread(keep)

    async def _answer(self, answers: Sequence[bytes]) -> None:
        self.writer.write(b"".join(answers))
        await self.writer.drain()


def certificate_name(certificate: Mapping[str, Any] | None) -> str:
    """The first DNS name of a verified certificate, else its common name; empty without one."""
    if not certificate:
        return ""
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    subject = dict(pair for part in certificate.get("subject", ()) for pair in part)
    name = str(names[0] if names else subject.get("commonName", ""))
    return name.replace("/", "_").replace("\0", "")[:100]
