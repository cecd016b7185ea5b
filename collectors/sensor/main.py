"""The command ``soc-sensor``: packets of files or of an interface in, records as JSON lines out."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import orjson

from collectors.sensor.capture import open_capture
from collectors.sensor.errors import CaptureError
from collectors.sensor.live import Counted, Interface
from collectors.sensor.sensor import Sensor

DONE, WRONG = 0, 2
WRITE_AT = 1 << 16  # bytes of output kept back
FLUSH_SECONDS = 1.0  # of an interface: a record waits no longer
COUNT_SECONDS = 10.0  # between two looks at what the kernel dropped
LOOK_EACH = 1_024  # packets between two looks at the clock


def main() -> None:
    """Entry point."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Print the records of each file; 0 done, 2 a file cannot be read."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if bool(asked.files) == bool(asked.interface):
        parser.error("name capture files, or one --interface")
    lines = Lines(sys.stdout.buffer)
    try:
        if asked.interface:
            return watch(asked.interface, lines, http_headers=asked.http_headers)
        return max(read_file(path, lines, http_headers=asked.http_headers) for path in asked.files)
    except BrokenPipeError:  # who reads our output has seen enough
        sys.stderr.close()
        return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "soc-sensor",
        description="Reads packet captures, or an interface, and prints what they say as JSON lines with ECS names: "
        "flows, DNS, HTTP, TLS, SSH, QUIC, mail, FTP, DHCP, Kerberos, SMB, LDAP, RDP.",
        epilog="example: soc-sensor trace.pcap | head; soc-sensor --interface eth1",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.pcap")
    parser.add_argument("--interface", help="watch this interface until SIGTERM")
    parser.add_argument("--http-headers", action="store_true", help="keep every header of HTTP")
    return parser


class Lines:
    """Records as JSON lines, written in blocks."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._held = bytearray()

    def say(self, record: dict[str, Any]) -> None:
        self._held += orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        if len(self._held) >= WRITE_AT:
            self.flush()

    def flush(self) -> None:
        self._out.write(self._held)
        self._out.flush()
        self._held.clear()


def read_file(path: Path, lines: Lines, *, http_headers: bool = False) -> int:
    """Print the records of one capture. A file that is cut off gives what comes before, and is named."""
    sensor = Sensor(lines.say, http_headers=http_headers)
    problem = ""
    gc.freeze()
    try:
        with closing(open_capture(path)) as capture:
            take = sensor.take
            for time, link, data, length in capture.packets():
                take(time, link, data, length)
    except (OSError, CaptureError) as error:
        problem = str(error)
    sensor.finish()
    if sensor.packets:
        lines.say(sensor.counts() | {"file.path": str(path)})
    lines.flush()
    if problem:
        print(f"soc-sensor: {path} cannot be read: {problem}", file=sys.stderr)
    return WRONG if problem else DONE


def watch(name: str, lines: Lines, *, http_headers: bool = False) -> int:
    """Print the records of an interface until SIGTERM; each says what share of its time's packets was dropped."""
    try:
        interface = Interface(name)
    except CaptureError as error:
        print(f"soc-sensor: {error}", file=sys.stderr)
        return WRONG
    watching = Watching(interface, lines, http_headers=http_headers)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, watching.stop)
    gc.freeze()
    problem = ""
    with closing(interface):
        try:
            watching.run()
        except CaptureError as error:
            problem = str(error)
        watching.finish()
    if problem:
        print(f"soc-sensor: {problem}", file=sys.stderr)
    return WRONG if problem else DONE


class Watching:
    """The sensor on an interface. The share that was dropped, if any was, stands in every record of that time."""

    def __init__(self, interface: Interface, lines: Lines, *, http_headers: bool) -> None:
        self.interface, self.lines = interface, lines
        self.sensor = Sensor(self._say, http_headers=http_headers)
        self.latest = Counted()
        self._flush_at = self._count_at = time.monotonic()
        self._stopping = False

    def stop(self, *_: object) -> None:
        """End ``run`` within half a second; a signal's handler."""
        self._stopping = True

    def run(self) -> None:
        """Take packets until ``stop``.

        Raises:
            CaptureError: the interface went away.
        """
        take, packet = self.sensor.take, self.interface.packet
        while not self._stopping:
            for _ in range(LOOK_EACH):
                found = packet()
                if found is None:
                    self.sensor.flows.sweep(time.time_ns() // 1000)
                    break
                take(*found)
                if time.monotonic() > self._flush_at:
                    break
            self._look()

    def finish(self) -> None:
        """Every flow ends, and the counts are said."""
        self.sensor.finish()
        self._count()
        self.lines.flush()

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._count_at:
            self._count()
            self._count_at = now + COUNT_SECONDS
        if now >= self._flush_at:
            self.lines.flush()
            self._flush_at = now + FLUSH_SECONDS

    def _count(self) -> None:
        self.latest = self.interface.count()
        total = self.interface.total
        self._say(
            self.sensor.counts()
            | {
                "observer.ingress.interface.name": self.interface.name,
                "sensor.kernel.packets": total.packets,
                "sensor.kernel.dropped": total.dropped,
            }
        )

    def _say(self, record: dict[str, Any]) -> None:
        if self.latest.dropped:
            record["sensor.drop_rate"] = round(self.latest.drop_rate, 6)
        self.lines.say(record)


if __name__ == "__main__":
    main()
