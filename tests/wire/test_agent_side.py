"""The golden bytes, from the agent's side."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collectors.agent import wire
from collectors.agent.identity import Identity

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))
PLAIN = (HERE / "batch.plain.bin").read_bytes()


def golden_batch() -> tuple[wire.Header, list[wire.WireRecord]]:
    said = GOLDEN["batch"]
    streams = [wire.StreamName(one["name"], one["source"]) for one in said["streams"]]
    header = wire.Header(said["incarnation"], said["host"], said["zone"], said["sent_at"], streams)
    records = [
        wire.WireRecord(
            one["kind"],
            one["stream"],
            one["sequence"],
            one["collected_at"],
            base64.b64decode(one["payload_base64"]),
        )
        for one in said["records"]
    ]
    return header, records


def test_the_agent_writes_the_golden_bytes():
    assert wire.encode_batch(*golden_batch()) == PLAIN


def test_the_agent_reads_the_golden_bytes():
    assert wire.decode_batch(PLAIN) == golden_batch()


def test_the_compressed_batch_holds_the_plain_one():
    packed = (HERE / "batch.zst.bin").read_bytes()
    assert zstandard.ZstdDecompressor().decompress(packed) == PLAIN


@pytest.mark.parametrize("request_", GOLDEN["requests"], ids=lambda one: one["path"])
def test_the_agent_signs_as_the_golden_headers_say(request_):
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(GOLDEN["private_seed_hex"]))
    body = (HERE / request_["body_file"]).read_bytes() if request_["body_file"] else b""
    headers = Identity(GOLDEN["agent_id"], "n", "https://x", key).sign(
        request_["method"], request_["path"], body, created=GOLDEN["created"], nonce=GOLDEN["nonce"]
    )
    assert headers == request_["headers"]


@pytest.mark.parametrize("size", range(0, len(PLAIN), 7))
def test_a_batch_cut_short_is_told_from_a_whole_one(size):
    """Cut between two records it is a shorter batch, anywhere else an error."""
    try:
        _, records = wire.decode_batch(PLAIN[:size])
    except wire.WireError:
        return
    assert records == golden_batch()[1][: len(records)]
