"""The command ``soc-sensor``: packets in, records as JSON lines out."""

from __future__ import annotations

import argparse
import gc
import sys
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import orjson

from collectors.sensor.capture import open_capture
from collectors.sensor.errors import CaptureError
from collectors.sensor.sensor import Sensor

DONE, WRONG = 0, 2
WRITE_AT = 1 << 16  # bytes of output kept back


def main() -> None:
    """Entry point."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Print the records of each file; 0 done, 2 a file cannot be read."""
    asked = _parser().parse_args(arguments)
    lines = Lines(sys.stdout.buffer)
    try:
        return max(read_file(path, lines, http_headers=asked.http_headers) for path in asked.files)
    except BrokenPipeError:  # who reads our output has seen enough
        sys.stderr.close()
        return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "soc-sensor",
        description="Reads packet captures and prints what they say as JSON lines with ECS names: flows, DNS, HTTP, "
        "TLS, SSH, QUIC, mail, FTP, DHCP, Kerberos, SMB, LDAP, RDP.",
        epilog="example: soc-sensor trace.pcap | head",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.pcap")
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


if __name__ == "__main__":
    main()
