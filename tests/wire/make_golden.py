"""Writes the golden bytes, for a new version of the wire: python -m tests.wire.make_golden."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collectors.agent import wire

HERE = Path(__file__).parent
SEED = bytes(range(32))
AGENT = "agent-0123456789abcdef"
NONCE = "AAECAwQFBgcICQoLDA0ODw"
CREATED = 1732243200
HEADER = wire.Header(
    incarnation="00112233445566778899aabbccddeeff",
    host="máy-chủ-1",
    zone="Asia/Ho_Chi_Minh",
    sent_at=1732243200_500000,
    streams=[
        wire.StreamName("process", "linux_audit"),
        wire.StreamName("file:/var/log/nhật ký.log", "auto"),
        wire.StreamName("agent", "soc_agent"),
    ],
)
AT = 1732243200_123456
RECORDS = [
    wire.WireRecord(
        wire.RECORD, 0, 1, AT, b"type=SYSCALL msg=audit(1732243200.123:42): arch=c000003e"
    ),
    wire.WireRecord(wire.RECORD, 1, 41, AT + 1, b"\xff\xfe not UTF-8 \x00"),
    wire.WireRecord(wire.RECORD, 1, 42, AT + 2, b""),
    wire.loss(10, 40, "spool full", stream=1, collected_at=AT + 3),
    wire.WireRecord(wire.RECORD, 1, 43, AT + 4, "dòng thứ ba".encode()),
    wire.WireRecord(wire.RECORD, 2, 2**40, AT + 5, b'{"kind":"start"}'),
]


def batch_id() -> str:
    runs = [
        ["agent", 0, 2**40, 2**40],
        ["file:/var/log/nhật ký.log", 0, 41, 43],
        ["file:/var/log/nhật ký.log", 1, 10, 40],
        ["process", 0, 1, 1],
    ]
    text = json.dumps([AGENT, HEADER.incarnation, runs], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def signed(method: str, path: str, body: bytes) -> dict[str, str]:
    """The headers, built here step by step from RFC 9421 and not by the agent's code."""
    digest = "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
    parameters = (
        f'("@method" "@path" "content-digest");created={CREATED};nonce="{NONCE}"'
        f';keyid="{AGENT}";alg="ed25519"'
    )
    base = (
        f'"@method": {method}\n"@path": {path}\n"content-digest": {digest}\n'
        f'"@signature-params": {parameters}'
    )
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(base.encode())
    return {
        "Content-Digest": digest,
        "Signature-Input": f"sig1={parameters}",
        "Signature": f"sig1=:{base64.b64encode(signature).decode()}:",
    }


COMMAND = (
    '{"action":"isolate_host","agent_id":"agent-0123456789abcdef","approved_by":["binh"],"asked_by":"an",'
    '"case_id":"SC-2026-0001","expires_at":1732329600123456,"id":"rc-00112233445566778899aabb","measure":"",'
    '"not_before":1732243200123456,"parameters":{"seconds":14400},"reason":"mã độc tống tiền \\"x\\"",'
    '"verb":"run","version":1}'
)
ANSWER = (
    '{"action":"isolate_host","agent_id":"agent-0123456789abcdef","command_id":"rc-00112233445566778899aabb",'
    '"document_sha256":"%s","ended_at":1732243201000000,"found":{"reachable":["10.77.0.1"],"seconds":14400},'
    '"reason":"đã làm","started_at":1732243200500000,"state":"done","verb":"run","version":1}'
)


def write_command() -> None:
    """A command as the platform signs it and the agent's answer, written here by hand."""
    document = COMMAND.encode()
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(b"soc-command-1\0" + document)
    answer = (ANSWER % hashlib.sha256(document).hexdigest()).encode()
    (HERE / "command.bin").write_bytes(document)
    (HERE / "command.signature.bin").write_bytes(signature)
    (HERE / "command.answer.bin").write_bytes(answer)


def main() -> None:
    write_command()
    plain = wire.encode_batch(HEADER, RECORDS)
    packed = zstandard.ZstdCompressor(level=3).compress(plain)
    (HERE / "batch.plain.bin").write_bytes(plain)
    (HERE / "batch.zst.bin").write_bytes(packed)
    key = Ed25519PrivateKey.from_private_bytes(SEED).public_key()
    meaning = {
        "batch": {
            "incarnation": HEADER.incarnation,
            "host": HEADER.host,
            "zone": HEADER.zone,
            "sent_at": HEADER.sent_at,
            "streams": [{"name": one.name, "source": one.source} for one in HEADER.streams],
            "records": [
                {
                    "kind": one.kind,
                    "stream": one.stream,
                    "sequence": one.sequence,
                    "collected_at": one.collected_at,
                    "payload_base64": base64.b64encode(one.payload).decode(),
                }
                for one in RECORDS
            ],
            "batch_id": batch_id(),
        },
        "agent_id": AGENT,
        "private_seed_hex": SEED.hex(),
        "public_key_base64": base64.b64encode(key.public_bytes_raw()).decode(),
        "created": CREATED,
        "nonce": NONCE,
        "requests": [
            {
                "method": "POST",
                "path": "/v1/batches",
                "body_file": "batch.zst.bin",
                "headers": signed("POST", "/v1/batches", packed),
            },
            {
                "method": "GET",
                "path": "/v1/config",
                "body_file": None,
                "headers": signed("GET", "/v1/config", b""),
            },
        ],
    }
    text = json.dumps(meaning, ensure_ascii=False, indent=2) + "\n"
    (HERE / "golden.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
