"""An input of the agent at work on a spool of its own, and what it has brought."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collectors.agent import wire
from collectors.agent.inputs.contract import Input
from collectors.agent.intake import Intake
from collectors.agent.notices import Notices
from collectors.agent.spool import Spool

STOP_SECONDS = 20


@contextmanager
def at_work(folder: Path, source: Input) -> Iterator[tuple[Spool, Notices]]:
    """The spool that the input fills and the notices that it gives, while it runs; then it is stopped."""
    spool, stop = Spool(folder), threading.Event()
    notices = Notices("host", is_quiet=True)
    intake = Intake(spool, notices, wake=threading.Event(), stop=stop)
    thread = threading.Thread(target=source.run, args=(intake, stop))
    thread.start()
    try:
        yield spool, notices
    finally:
        stop.set()
        thread.join(STOP_SECONDS)
        spool.close()
    assert not thread.is_alive(), "the input does not stop"


def payloads(spool: Spool, stream: str) -> list[bytes]:
    """The records of a stream that have not been sent."""
    frames, _ = spool._collect(spool.acked, None, 1 << 30)
    return [
        record.payload
        for frame in frames
        if frame.streams[0][0] == stream
        for _, _, record in wire.walk_records(frame.block)
    ]


def sources(spool: Spool) -> set[tuple[str, str]]:
    """The streams with their sources."""
    frames, _ = spool._collect(spool.acked, None, 1 << 30)
    return {frame.streams[0] for frame in frames}


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
