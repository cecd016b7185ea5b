"""The golden bytes of a command and its answer, from both sides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collectors.agent.actions.contract import Outcome
from collectors.agent.command_document import Envelope, believe
from collectors.agent.command_journal import Entry
from collectors.agent.commands import Commands
from soc.receive.command_key import CONTEXT
from soc.receive.commands import read_answer
from soc.records.responses import ResponseCommandRow
from soc.respond.response_states import document_of

HERE = Path(__file__).parent
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DOCUMENT = (HERE / "command.bin").read_bytes()
SIGNATURE = (HERE / "command.signature.bin").read_bytes()
ANSWER = (HERE / "command.answer.bin").read_bytes()
AT = datetime(2024, 11, 22, 2, 40, 0, 123456, tzinfo=UTC)
AGENT = "agent-0123456789abcdef"


def test_the_platform_writes_and_signs_the_golden_command():
    row = ResponseCommandRow(
        id="rc-00112233445566778899aabb",
        agent_id=AGENT,
        action="isolate_host",
        verb="run",
        measure_id="",
        parameters={"seconds": 14400},
        reason='mã độc tống tiền "x"',
        case_id="SC-2026-0001",
        asked_by="an",
        approved_by="binh",
        not_before=AT,
        expires_at=AT + timedelta(days=1),
    )
    assert document_of(row) == DOCUMENT
    assert KEY.sign(CONTEXT + document_of(row)) == SIGNATURE


def test_the_agent_believes_the_golden_command():
    command = believe(Envelope(DOCUMENT, SIGNATURE), KEY.public_key(), AGENT, 1732243200123456)
    assert (command.id, command.action, command.verb, command.parameters) == (
        "rc-00112233445566778899aabb",
        "isolate_host",
        "run",
        {"seconds": 14400},
    )
    assert (command.asked_by, command.approved_by, command.reason) == (
        "an",
        ("binh",),
        'mã độc tống tiền "x"',
    )
    assert (command.not_before, command.expires_at) == (1732243200123456, 1732329600123456)


def test_the_agent_writes_the_golden_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(Commands, "now", lambda _: 1732243201000000)
    identity = SimpleNamespace(agent_id=AGENT)
    commands = Commands(tmp_path, identity, None, None, {}, tmp_path)  # type: ignore[arg-type]
    digest = Envelope(DOCUMENT, SIGNATURE).sha256
    entry = Entry(
        "rc-00112233445566778899aabb", digest, "isolate_host", "run", "", 0, 1732243200500000
    )
    found = {"seconds": 14400, "reachable": ["10.77.0.1"]}
    assert commands._result(entry, Outcome("done", "đã làm", found)) == ANSWER


def test_the_platform_reads_the_golden_answer():
    answer = read_answer(ANSWER, AGENT)
    assert (answer.command_id, answer.state, answer.reason, answer.found["seconds"]) == (
        "rc-00112233445566778899aabb",
        "done",
        "đã làm",
        14400,
    )
