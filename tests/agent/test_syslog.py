"""The syslog receivers, on real sockets of the loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from collectors.agent.inputs.syslog import Frames, Syslog
from collectors.agent.spool import Spool
from tests.agent.conftest import wait_until
from tests.agent.inputs_at_work import at_work, can_connect, free_port, payloads, sources


@pytest.fixture
def receiver(tmp_path) -> Iterator[tuple[Spool, int, int]]:
    """(spool, UDP port, TCP port) of a receiver at work."""
    udp, tcp = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    with at_work(tmp_path, Syslog(udp=("127.0.0.1", udp), tcp=("127.0.0.1", tcp))) as (spool, _):
        yield spool, udp, tcp


def test_takes_datagrams(receiver):
    spool, udp, _ = receiver
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:

        def arrived() -> list[bytes]:
            one.sendto(b"<34>1 - - - - - - a\n", ("127.0.0.1", udp))
            return payloads(spool, f"syslog:udp:{udp}/127.0.0.1")

        wait_until(arrived)
    assert payloads(spool, f"syslog:udp:{udp}/127.0.0.1")[0] == b"<34>1 - - - - - - a"
    assert (f"syslog:udp:{udp}/127.0.0.1", "auto") in sources(spool)


def test_takes_counted_and_newline_messages_of_one_connection(receiver):
    spool, _, tcp = receiver
    wait_until(lambda: can_connect(tcp))
    with socket.create_connection(("127.0.0.1", tcp)) as one:
        one.sendall(b"<1>first\n9 <2>a\nb\xff12<3>third\n")
        one.sendall(b"<4>last without end")
    wanted = [b"<1>first", b"<2>a\nb\xff12", b"<3>third", b"<4>last without end"]
    wait_until(lambda: payloads(spool, f"syslog:tcp:{tcp}/127.0.0.1") == wanted)


@pytest.mark.parametrize("step", [1, 2, 5, 100])
def test_cuts_messages_alike_however_the_bytes_arrive(step):
    content = b"<1>first\n9 <2>a\nb\xff12<3>third\r\n4 <4>x4 <5>y"
    frames = Frames()
    found = []
    for start in range(0, len(content), step):
        found += frames.take(content[start : start + step])
    assert found == [b"<1>first", b"<2>a\nb\xff12", b"<3>third", b"<4>x", b"<5>y"][: len(found)]
    assert len(found) == 5 or frames.rest()
