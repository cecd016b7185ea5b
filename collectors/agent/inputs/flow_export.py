"""Receiver of NetFlow v5 and v9, IPFIX and sFlow v5 by UDP. A record is one flow as a JSON line.

Unlike other inputs this one reads what it gets: a flow means nothing without the templates that its exporter sent
earlier to this very port (docs/decisions/0012-flows-are-decoded-where-they-arrive.md).
"""

from __future__ import annotations

import ipaddress
import select
import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from collectors.agent.inputs.udp_port import KernelDrops, open_port
from collectors.agent.intake import Intake
from collectors.agent.notices import microseconds
from collectors.flow_export.decoder import Decoder

SOURCE = "flow_export"
LINES_AT_ONCE, DATAGRAMS_AT_ONCE = 2_000, 500
CHECK_SECONDS, TELL_SECONDS = 5.0, 60.0
MOST_REFUSED_KEPT = 100  # datagrams with their bytes, in a minute; the others are counted
MOST_TOLD = 50  # exporters named in a minute

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Counts = dict[tuple[str, int], tuple[int, int, int, int]]


class FlowExport:
    """Listens on one UDP address; ``exporters`` are the networks that may send, all if there are none."""

    def __init__(self, udp: tuple[str, int], *, exporters: Sequence[Network] = ()) -> None:
        self.udp, self.exporters = udp, tuple(exporters)
        self.name = self.stream = f"flow_export:udp:{udp[1]}"
        self.decoder = Decoder()
        self._drops = KernelDrops(udp[1])
        self._welcome: dict[str, bool] = {}
        self._strangers = self._refused = self._refused_kept = 0
        self._told: Counts = {}
        self._told_pushed_out = 0

    def run(self, intake: Intake, stop: threading.Event) -> None:
        try:
            port = open_port(self.udp)
        except OSError as error:
            intake.notices.blind(self.name, f"{self.udp[0]}:{self.udp[1]}: {error.strerror}")
            return
        intake.notices.sees_again(self.name)
        check_at = tell_at = time.monotonic()
        with port:
            while not stop.is_set():
                if select.select([port], [], [], 0.25)[0]:
                    self._take(port, intake)
                now = time.monotonic()
                if now - check_at >= CHECK_SECONDS:
                    check_at = now
                    self._tell_drops(intake)
                if now - tell_at >= TELL_SECONDS:
                    tell_at = now
                    self.tell(intake)
        self.tell(intake)

    def _take(self, port: socket.socket, intake: Intake) -> None:
        lines: list[bytes] = []
        now = microseconds(datetime.now(UTC))
        try:
            for _ in range(DATAGRAMS_AT_ONCE):
                datagram, peer = port.recvfrom(65535)
                lines += self.lines(peer[0].removeprefix("::ffff:"), datagram, now)
                if len(lines) >= LINES_AT_ONCE:
                    break
        except BlockingIOError:
            pass
        if lines:
            intake.put(self.stream, SOURCE, lines)

    def lines(self, exporter: str, datagram: bytes, now: int) -> list[bytes]:
        """The records of one datagram; one that is refused is a record too, with its bytes."""
        if not self._is_welcome(exporter):
            self._strangers += 1
            return []
        flows, reason = self.decoder.take(exporter, datagram, now)
        lines = [orjson.dumps(flow) for flow in flows]
        if reason:
            self._refused += 1
            if self._refused_kept < MOST_REFUSED_KEPT:
                self._refused_kept += 1
                facts = {"exporter": exporter, "unread": reason, "bytes": datagram.hex()}
                lines.append(orjson.dumps(facts))
        return lines

    def _is_welcome(self, exporter: str) -> bool:
        if not self.exporters:
            return True
        if exporter not in self._welcome:
            if len(self._welcome) > 10_000:
                self._welcome.clear()
            address = ipaddress.ip_address(exporter.partition("%")[0])
            self._welcome[exporter] = any(address in one for one in self.exporters)
        return self._welcome[exporter]

    def _tell_drops(self, intake: Intake) -> None:
        if lost := self._drops.since_last():
            message = f"the kernel dropped {lost} datagrams on UDP port {self.udp[1]}"
            intake.notices.tell("kernel_lost", message, input=self.name, lost=lost)

    def tell(self, intake: Intake) -> None:
        """Say what was lost on the way, waited or was not read since the last time."""
        told: Counts = {}
        changed = []
        for address, exporter in self.decoder.exporters:
            for number, one in exporter.domains.items():
                counts = (one.sequence.lost, one.sequence.restarts, one.waited, one.given_up)
                before = self._told.get((address, number), (0, 0, 0, 0))
                told[address, number] = counts
                if counts != before:
                    since = [max(0, new - old) for new, old in zip(counts, before, strict=True)]
                    changed.append((address, number, since))
        self._told = told
        for address, number, (lost, restarts, waited, given_up) in changed[:MOST_TOLD]:
            intake.notices.tell(
                "flow_export",
                f"exporter {address}, domain {number}: {lost} units lost on the way, {restarts} restarts,"
                f" {waited} flows waited for their template, {given_up} sets given up without one",
                input=self.name,
                exporter=address,
                domain=number,
                lost=lost,
                restarts=restarts,
                waited=waited,
                given_up=given_up,
            )
        pushed_out = self.decoder.exporters.pushed_out - self._told_pushed_out
        facts: dict[str, Any] = {
            "refused": self._refused,
            "strangers": self._strangers,
            "pushed_out": pushed_out,
            "not_named": max(0, len(changed) - MOST_TOLD),
        }
        if any(facts.values()):
            message = (
                f"{self._refused} datagrams refused, {self._strangers} from strangers,"
                f" {pushed_out} exporters forgotten"
            )
            intake.notices.tell("flow_export", message, input=self.name, **facts)
        self._told_pushed_out += pushed_out
        self._refused = self._refused_kept = self._strangers = 0
