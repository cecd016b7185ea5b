"""A UDP port that others send to, and what the kernel had to throw away there."""

from __future__ import annotations

import socket
from pathlib import Path

BUFFER_BYTES = 4 * 1024 * 1024
DROPS_COLUMN = 12  # of /proc/net/udp


def open_port(address: tuple[str, int]) -> socket.socket:
    """A non-blocking socket of (host, port).

    Raises:
        OSError: taken, or not allowed.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        one.bind(address)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


class KernelDrops:
    """Counts the datagrams of one port that the kernel threw away (/proc/net/udp)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._drops = 0

    def since_last(self) -> int:
        drops = 0
        for table in (Path("/proc/net/udp"), Path("/proc/net/udp6")):
            if table.exists():
                for line in table.read_text().splitlines()[1:]:
                    columns = line.split()
                    if int(columns[1].rsplit(":", 1)[1], 16) == self.port:
                        drops += int(columns[DROPS_COLUMN])
        lost, self._drops = max(0, drops - self._drops), max(drops, self._drops)
        return lost
