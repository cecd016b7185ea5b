"""A real exporter's datagrams, read by us and by nfdump: the same flows, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from collectors.flow_export.decoder import Decoder
from soc.collect.discovery import read
from soc.model.event import RawRecord
from tests.conftest import missing
from tests.flow_export.real_tools import (
    export,
    read_by_nfdump,
    row_of_nfdump,
    row_of_ours,
    write_capture,
)

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


def ours(datagrams: Iterable[bytes]) -> list[dict[str, Any]]:
    """The fields of every flow."""
    decoder, found = Decoder(), []
    for datagram in datagrams:
        flows, reason = decoder.take("127.0.0.1", datagram, int(NOW.timestamp()) * 1_000_000)
        assert reason == ""
        for flow in flows:
            record = RawRecord(orjson.dumps(flow), "flow_export", received_at=NOW)
            found += [event.fields for event in read(record)]
    return found


@pytest.mark.parametrize(
    "version", [*(pytest.param(old, marks=pytest.mark.slow) for old in (5, 9)), 10]
)
def test_the_flows_of_a_real_exporter_are_those_of_nfdump(version: int, tmp_path: Path):
    """Addresses, ports, protocol, bytes and packets of each flow; and no flow is without its times."""
    capture = tmp_path / "small.pcap"
    write_capture(capture)
    datagrams = export(capture, version, tmp_path)
    if not datagrams:
        missing(f"an export of version {version} by softflowd (it sent nothing)")
    found = ours(datagrams)
    wanted = [row_of_nfdump(one) for one in read_by_nfdump(datagrams, tmp_path / "nfdump")]
    assert sorted(map(row_of_ours, found)) == sorted(wanted)
    assert len(found) >= 122
    assert all("event.start" in fields for fields in found)
