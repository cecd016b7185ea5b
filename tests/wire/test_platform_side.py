"""The golden bytes, read by the platform's side."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soc.receive.batches import LOSS, RECORD, Batch, open_batch
from soc.receive.signatures import Verifier, check_digest
from soc.records.agents import AgentRow

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))
AGENT = AgentRow(
    id=GOLDEN["agent_id"],
    name="golden",
    public_key=base64.b64decode(GOLDEN["public_key_base64"]),
)


@pytest.fixture
def batch() -> Batch:
    return open_batch((HERE / "batch.zst.bin").read_bytes(), AGENT, limit_bytes=2**20)


def test_the_golden_header_is_read(batch):
    """Host, zone, incarnation, streams and the time of sending."""
    wanted = GOLDEN["batch"]
    streams = [{"name": one.name, "source": one.source} for one in batch.header.streams]
    assert {
        "incarnation": batch.header.incarnation,
        "host": batch.header.host,
        "zone": batch.header.zone,
        "sent_at": batch.header.sent_at,
        "streams": streams,
    } == {name: wanted[name] for name in ("incarnation", "host", "zone", "sent_at", "streams")}


def test_the_golden_records_are_read(batch):
    """Number, time and bytes of each."""
    assert [(one.stream, one.sequence, one.collected_at, one.raw) for one in batch.records] == [
        (
            one["stream"],
            one["sequence"],
            one["collected_at"],
            base64.b64decode(one["payload_base64"]),
        )
        for one in GOLDEN["batch"]["records"]
        if one["kind"] == RECORD
    ]
    assert batch.reason == ""


def test_the_golden_losses_are_read(batch):
    """From, to, and why."""
    wanted = [
        (one["stream"], one["sequence"], json.loads(base64.b64decode(one["payload_base64"])))
        for one in GOLDEN["batch"]["records"]
        if one["kind"] == LOSS
    ]
    assert [
        (stream, loss.first, {"last": loss.last, "reason": loss.reason})
        for stream, loss in batch.losses
    ] == wanted


def test_the_golden_batch_has_its_id(batch):
    """Both sides call it by the same name."""
    assert batch.id == GOLDEN["batch"]["batch_id"]


@pytest.mark.parametrize("request_", GOLDEN["requests"], ids=lambda one: one["path"])
def test_the_golden_signatures_are_accepted(request_):
    """At the time that they name."""
    body = (HERE / request_["body_file"]).read_bytes() if request_["body_file"] else b""
    headers = {name.lower(): value for name, value in request_["headers"].items()}
    verifier = Verifier(lambda agent_id: AGENT if agent_id == AGENT.id else None)
    now = datetime.fromtimestamp(GOLDEN["created"], UTC)
    agent = verifier.verify(request_["method"], request_["path"], headers, now)
    check_digest(headers["content-digest"], body)
    assert agent.id == GOLDEN["agent_id"]
