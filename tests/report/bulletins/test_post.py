"""188 agencies behind a mail server that bounces, greylists, delays and drops: each mail once, every state exact."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select, update

from bench.running_site import free_port
from soc.model.bulletin import Answer, MailKind, MailState
from soc.model.scope import Scope
from soc.records.bulletins import BulletinMailRow
from soc.records.database import Database
from soc.records.register import AgencyRow
from soc.report.bulletins.desk import BulletinDesk
from soc.report.bulletins.post import LEASE, Post, Server
from tests.report.bulletins.test_mail import bulletin

NOW = datetime(2026, 11, 27, 1, tzinfo=UTC)
AN, BINH = Scope.province("an"), Scope.province("binh")
AGENCIES = 188
KILLS = int(os.environ.get("SOC_POST_KILLS", "10"))
SENDER = "soc@tinh.example"


class Misbehaving:
    """A real SMTP server whose manners depend on the address. ``taken`` are the mails that it has answered for."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []  # Message-ID, text
        self.tries: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        manner = address.partition("@")[0].partition("-")[0]
        self.tries[address] += 1
        if manner == "bounce":
            return "550 5.1.1 no such mailbox"
        if manner == "grey" and self.tries[address] == 1:
            return "451 4.7.1 greylisted, come again"
        if manner == "full" and self.tries[address] <= 2:
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        manner = envelope.rcpt_tos[0].partition("@")[0].partition("-")[0]
        if manner == "late":
            time.sleep(0.05)
        if manner == "refuse":
            return "554 5.7.1 not wanted"
        if manner == "drop":  # after the text: nobody can know
            server.transport.abort()
            return "250 never heard"
        mail = message_from_bytes(envelope.content, policy=default)
        self.taken.append((str(mail["Message-ID"]), envelope.content))
        return "250 taken"


MANNERS = ("fine", "fine", "fine", "bounce", "grey", "full", "late", "refuse", "drop")
ENDS = {
    "fine": MailState.SENT, "grey": MailState.SENT, "full": MailState.SENT, "late": MailState.SENT,
    "bounce": MailState.BOUNCED, "refuse": MailState.BOUNCED, "drop": MailState.UNCERTAIN,
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[tuple[Misbehaving, Server]]:
    handler = Misbehaving()
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, enable_SMTPUTF8=False)
    controller.start()
    yield handler, Server("127.0.0.1", port, timeout_seconds=5)
    controller.stop()


def agencies(database: Database, count: int = AGENCIES) -> dict[str, str]:
    """Agency to the manner of its mail server."""
    chance = random.Random(7)
    manners = {f"a{number:03}": chance.choice(MANNERS) for number in range(count)}
    with database.write(AN) as session:
        for key, manner in manners.items():
            session.add(
                AgencyRow(
                    id=key, code=key, name=f"Cơ quan {key}", email=f"{manner}-{key}@x.example"
                )
            )
    return manners


def approved(database: Database) -> str:
    desk = BulletinDesk(database, domain="tinh.example")
    key = desk.write(AN, bulletin(), NOW)
    desk.submit(AN, key, NOW)
    desk.approve(BINH, key, NOW)
    return key


def post(database: Database, server: Server) -> Post:
    return Post(database, server, sender=SENDER, centre="Trung tâm")


def states(database: Database, kind: MailKind = MailKind.FIRST) -> dict[str | None, str]:
    with database.session(AN) as session:
        rows = session.scalars(select(BulletinMailRow).where(BulletinMailRow.kind == kind))
        return {row.agency_id: row.state for row in rows}


def deliver(database: Database, server: Server, start: datetime = NOW) -> None:
    """Hours of the worker's duty, without their waiting."""
    for minutes in range(0, 400, 2):
        one = post(database, server)
        while one.deliver_due(start + timedelta(minutes=minutes)):
            pass
        if MailState.WAITING not in states(database).values():
            return


@pytest.mark.slow
def test_every_agency_s_state_is_exact_and_each_mail_came_once(
    database: Database, server: tuple[Misbehaving, Server]
):
    manners = agencies(database)
    approved(database)
    deliver(database, server[1])
    assert states(database) == {key: ENDS[manner] for key, manner in manners.items()}
    came = Counter(message_id for message_id, _ in server[0].taken)
    assert set(came.values()) == {1}
    assert len(came) == sum(ENDS[manner] is MailState.SENT for manner in manners.values())
    with database.session(AN) as session:
        reasons = {
            row.agency_id: row.last_error for row in session.scalars(select(BulletinMailRow))
        }
    assert all("550 5.1.1" in reasons[key] for key, manner in manners.items() if manner == "bounce")


def test_the_text_arrives_byte_for_byte(database: Database, server: tuple[Misbehaving, Server]):
    """Lines that begin with a dot included."""
    with database.write(AN) as session:
        session.add(AgencyRow(id="a", code="a", name="Sở Xây dựng", email="fine-a@x.example"))
    approved(database)
    assert post(database, server[1]).deliver_due(NOW) == 1
    ((_, raw),) = server[0].taken
    mail = message_from_bytes(raw, policy=default)
    text = mail.get_body(("plain",)).get_content()
    assert ". một dòng bắt đầu bằng dấu chấm" in text
    pdf, twin = mail.iter_attachments()
    assert pdf.get_content().startswith(b"%PDF")
    assert pdf.get_content().rstrip().endswith(b"%%EOF")
    assert b'"csaf_version": "2.0"' in twin.get_content()


def test_no_server_is_tried_again_and_given_up_after_days(database: Database):
    agencies(database, 1)
    approved(database)
    nobody = Server("127.0.0.1", 1, timeout_seconds=1)
    at = NOW
    for _ in range(70):
        post(database, nobody).deliver_due(at)
        at += timedelta(hours=2)
    assert set(states(database).values()) == {MailState.DEAD}


def test_an_encrypted_line_is_demanded(database: Database, server: tuple[Misbehaving, Server]):
    """A server without STARTTLS gets nothing when it is asked for."""
    agencies(database, 3)
    approved(database)
    plain = server[1]
    post(database, Server(plain.host, plain.port, starttls=True, timeout_seconds=5)).deliver_due(
        NOW
    )
    assert server[0].taken == []
    assert set(states(database).values()) == {MailState.WAITING}


def test_an_answer_stops_the_reminder_that_is_on_its_way_out(
    database: Database, server: tuple[Misbehaving, Server]
):
    """The answer comes between the reminder's row and its sending."""
    with database.write(AN) as session:
        session.add(AgencyRow(id="a", code="a", name="Sở", email="fine-a@x.example"))
    key = approved(database)
    one, desk = post(database, server[1]), BulletinDesk(database)
    one.deliver_due(NOW)
    desk.remind(NOW + timedelta(hours=2))
    with database.write(
        AN
    ) as session:  # as if the answer had been written by another process at this moment
        row = session.scalars(
            select(BulletinMailRow).where(BulletinMailRow.kind == MailKind.REMINDER)
        ).one()
        assert row.state == MailState.WAITING
    desk.answer(Scope.of("a", actor="x"), key, "a", Answer.FIXED, NOW + timedelta(hours=2))
    with database.write(AN) as session:
        again = update(BulletinMailRow).where(BulletinMailRow.kind == MailKind.REMINDER)
        session.execute(again.values(state=MailState.WAITING))
    assert one.deliver_due(NOW + timedelta(hours=3)) == 0
    assert states(database, MailKind.REMINDER) == {"a": MailState.NOT_NEEDED}
    assert len(server[0].taken) == 1


SENDING = """
import sys
from datetime import datetime
from soc.records.database import Database
from soc.report.bulletins.post import Post, Server

def reached(step):
    print(step, flush=True)
    if step == "claimed" or step == "handed in":
        sys.stdin.readline()

database = Database(sys.argv[1])
server = Server("127.0.0.1", int(sys.argv[2]), timeout_seconds=5)
post = Post(database, server, sender="soc@tinh.example", centre="Trung tâm", reached=reached)
post.deliver_due(datetime.fromisoformat(sys.argv[3]))
"""


@pytest.mark.slow
def test_a_kill_at_any_step_sends_nothing_twice_and_names_what_is_uncertain(
    database: Database, server: tuple[Misbehaving, Server], tmp_path: Path
):
    """The sender is killed again and again, after a claim or after the server's answer, and goes on each time."""
    manners = dict.fromkeys((f"a{number:03}" for number in range(30)), "fine")
    with database.write(AN) as session:
        for key in manners:
            session.add(AgencyRow(id=key, code=key, name=key, email=f"fine-{key}@x.example"))
    approved(database)
    chance, at = random.Random(11), NOW
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", SENDING, database.url, str(server[1].port), at.isoformat()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 6)):
            if not process.stdout.readline():
                break
            process.stdin.write("\n")
            process.stdin.flush()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()
        at += LEASE + timedelta(seconds=1)
    deliver(database, server[1], at + LEASE)
    came = Counter(message_id for message_id, _ in server[0].taken)
    assert set(came.values()) == {1}
    found = states(database)
    assert set(found.values()) == {MailState.SENT, MailState.UNCERTAIN}
    arrived = {message_id.split(".")[1] for message_id in came}
    assert {key for key, state in found.items() if state == MailState.SENT} <= arrived
    missing = set(found) - arrived
    assert {found[key] for key in missing} <= {MailState.UNCERTAIN}
