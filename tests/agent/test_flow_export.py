"""The receiver of exported flows on a real socket."""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collectors.agent.config import config_from, inputs_of
from collectors.agent.errors import ConfigError
from collectors.agent.inputs.flow_export import FlowExport
from collectors.agent.spool import Spool
from tests.agent.conftest import wait_until
from tests.agent.inputs_at_work import at_work, free_port, payloads

HEADER = struct.pack("!HHIIIIBBH", 5, 1, 60_000, 1_763_780_400, 0, 7, 0, 0, 0)
FLOW = struct.pack(
    "!4s4s4sHHIIIIHHBBBBHHBBH",
    socket.inet_aton("192.0.2.1"),
    socket.inet_aton("192.0.2.2"),
    bytes(4),
    *(1, 2, 10, 1_500, 50_000, 59_000, 40_000, 443, 0, 0x1B, 6, 0, 0, 0, 24, 24, 0),
)


@contextmanager
def a_receiver(folder: Path, **how: Any) -> Iterator[tuple[Spool, int]]:
    port = free_port(socket.SOCK_DGRAM)
    with at_work(folder, FlowExport(("127.0.0.1", port), **how)) as (spool, _):
        yield spool, port


def said(spool: Spool, stream: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in payloads(spool, stream)]


def sent(spool: Spool, port: int, *datagrams: bytes) -> list[dict[str, Any]]:
    """The records after the datagrams have been sent until one came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:

        def arrived() -> list[dict[str, Any]]:
            for datagram in datagrams:
                one.sendto(datagram, ("127.0.0.1", port))
            return said(spool, f"flow_export:udp:{port}")

        wait_until(arrived)
    return said(spool, f"flow_export:udp:{port}")


def test_an_exported_flow_is_a_record(tmp_path: Path) -> None:
    with a_receiver(tmp_path) as (spool, port):
        flow = sent(spool, port, HEADER + FLOW)[0]
    assert flow["exporter"] == "127.0.0.1"
    assert "192.0.2.1" in json.dumps(flow)


def test_a_datagram_that_cannot_be_read_is_a_record_with_its_bytes(tmp_path: Path) -> None:
    """And costs no other."""
    with a_receiver(tmp_path) as (spool, port):
        found = sent(spool, port, b"\x00\x05\xff", HEADER + FLOW)
    assert any(one.get("bytes") == "0005ff" and one["unread"] for one in found)


def test_who_is_no_exporter_is_not_read(tmp_path: Path) -> None:
    network = ipaddress.ip_network("10.0.0.0/8")
    with a_receiver(tmp_path, exporters=[network]) as (spool, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for _ in range(3):
                one.sendto(HEADER + FLOW, ("127.0.0.1", port))
        time.sleep(1)
        assert said(spool, f"flow_export:udp:{port}") == []


def test_the_door_is_named_in_the_configuration(tmp_path: Path) -> None:
    entry = {"kind": "flow_export", "udp": "0.0.0.0:2055", "exporters": ["10.0.0.0/8"]}
    (made,) = inputs_of(config_from({"inputs": [entry]}, tmp_path))
    assert made.name == "flow_export:udp:2055"


@pytest.mark.parametrize(
    "entry", [{}, {"udp": "2055x"}, {"udp": "0.0.0.0:2055", "exporters": ["ten"]}]
)
def test_a_door_that_cannot_be_is_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        config_from({"inputs": [{"kind": "flow_export"} | entry]}, tmp_path)
