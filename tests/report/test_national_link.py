from __future__ import annotations

import socket
import threading
import time
from datetime import timedelta

import httpx2
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from soc.errors import DeliveryError, NotFound
from soc.model.case import CaseStatus
from soc.records.accounts import AuditRow
from soc.records.cases import CaseLogRow, ObligationRow
from soc.records.outbox import OutboxRow
from soc.report.national.fake_centre import fake_centre
from soc.report.national.file_drop import read_package
from soc.report.national.link import Message, NationalHttp
from soc.report.national.outbox import LEASE, Outbox, pause
from tests.respond.builders import (
    FACTS,
    FINANCE,
    PROVINCE,
    T,
    after,
    case_desk,
    open_case,
    with_alerts,
)


class Centre:
    """The fake national centre on a real port."""

    def __init__(self, folder) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(fake_centre(folder), log_level="critical", lifespan="off")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def reports(self):
        return httpx2.get(f"{self.url}/v1/reports").json()

    def trouble(self, kind, times=1, seconds=0.0):
        wanted = {"kind": kind, "times": times, "seconds": seconds}
        assert httpx2.post(f"{self.url}/v1/trouble", json=wanted).status_code == 204

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Centre(tmp_path_factory.mktemp("centre"))
    yield running
    running.close()


@pytest.fixture
def centre(server):
    server.trouble("503", times=0)
    return server


@pytest.fixture
def desk(database):
    return case_desk(with_alerts(database))


@pytest.fixture
def outbox_id(desk):
    """A report of a case that waits to be sent."""
    case_id = open_case(desk)
    desk.fill(PROVINCE, case_id, FACTS, now=T)
    document_id = desk.make_report(PROVINCE, case_id, "mau-03", now=T)
    return desk.send_report(PROVINCE, document_id, now=T)


@pytest.fixture
def outbox(database, centre):
    return Outbox(database, [NationalHttp(centre.url, timeout=timedelta(seconds=1))])


def row(database, outbox_id):
    with database.session(PROVINCE) as session:
        return session.scalar(select(OutboxRow).where(OutboxRow.id == outbox_id))


def at_the_centre(centre, outbox_id):
    return [entry for entry in centre.reports() if entry["key"] == outbox_id]


def test_a_report_arrives_byte_for_byte_with_its_metadata(
    database, desk, outbox, outbox_id, centre
):
    """What was signed is what they read."""
    assert outbox.deliver_due(T) == 1
    (entry,) = at_the_centre(centre, outbox_id)
    kept = desk.document(PROVINCE, row(database, outbox_id).document_id)
    got = httpx2.get(f"{centre.url}/v1/reports/{outbox_id}/document").content
    assert got == kept.content
    assert entry["metadata"]["subject"].startswith("[TBSC]")
    assert entry["metadata"]["fields"]["outline"] == FACTS["outline"]


def test_the_receipt_is_kept_and_the_first_notices_are_done(database, outbox, outbox_id):
    """The 72-hour report is still owed: Mẫu 03 has no cause and no remedy."""
    outbox.deliver_due(after(hours=1))
    with database.session(PROVINCE) as session:
        owed = {one.kind: one.done_at for one in session.scalars(select(ObligationRow))}
        told = session.scalar(select(CaseLogRow.text).where(CaseLogRow.kind == "sent"))
    sent = row(database, outbox_id)
    assert (sent.state, sent.receipt["receipt_id"] in told) == ("sent", True)
    assert owed == {
        "notice_at_once": after(hours=1),
        "notice_24h": after(hours=1),
        "report_72h": None,
    }


def test_with_the_72_hour_report_the_last_clock_stops(database, desk, outbox, outbox_id):
    """Then nothing is owed, and the case may be closed."""
    facts = {"report_stage": "complete", "cause": "RDP", "scope": "1 máy", "remedy": "Cài lại"}
    desk.fill(PROVINCE, "SC-2026-0001", facts, now=T)
    document_id = desk.make_report(PROVINCE, "SC-2026-0001", "bao-cao-72-gio", now=T)
    desk.send_report(PROVINCE, document_id, now=T)
    assert outbox.deliver_due(after(hours=1)) == 2
    view = desk.find(PROVINCE, "SC-2026-0001")
    assert {one.done_at for one in view.obligations} == {after(hours=1)}
    desk.move(PROVINCE, "SC-2026-0001", CaseStatus.VERIFY, now=T)
    desk.move(PROVINCE, "SC-2026-0001", CaseStatus.CLOSED, reason="xong", now=T)


def test_the_audit_log_keeps_what_left_by_which_rule_and_who_approved_it(
    database, outbox, outbox_id
):
    """With the digest of the bytes."""
    outbox.deliver_due(T)
    with database.session(PROVINCE) as session:
        told = session.scalar(select(AuditRow.detail).where(AuditRow.action == "outbox.sent"))
    sent = row(database, outbox_id)
    kept = {name: told[name] for name in ("channel", "rule", "approved_by", "sha256")}
    assert kept == {
        "channel": "national_http",
        "rule": "incident-reports",
        "approved_by": PROVINCE.actor,
        "sha256": sent.receipt["sha256"],
    }


def test_a_package_for_a_closed_network_is_audited_and_the_message_waits_on(
    database, outbox, outbox_id, tmp_path
):
    """A written medium is no receipt; and another agency's officer finds nothing to write."""
    key = Ed25519PrivateKey.generate()
    written = outbox.package(PROVINCE, outbox_id, tmp_path, key, now=T)
    assert read_package(written, key.public_key()).key == outbox_id
    with database.session(PROVINCE) as session:
        told = session.scalar(select(AuditRow.detail).where(AuditRow.action == "outbox.package"))
    assert (told["rule"], row(database, outbox_id).state) == ("incident-reports", "waiting")
    with pytest.raises(NotFound):
        outbox.package(FINANCE, outbox_id, tmp_path / "other", key, now=T)


def test_a_sent_report_is_not_sent_again(outbox, outbox_id):
    """However often the worker looks."""
    assert [outbox.deliver_due(after(days=n)) for n in range(3)] == [1, 0, 0]


def test_a_centre_out_of_order_is_tried_again_after_growing_pauses(
    database, outbox, outbox_id, centre
):
    """Five seconds, then ten; then it arrives, once."""
    centre.trouble("503", times=2)
    assert outbox.deliver_due(T) == 0
    assert row(database, outbox_id).next_try_at == after(seconds=5)
    assert outbox.deliver_due(after(seconds=4)) == 0
    assert row(database, outbox_id).attempts == 1
    assert outbox.deliver_due(after(seconds=5)) == 0
    assert outbox.deliver_due(after(seconds=15)) == 1
    assert len(at_the_centre(centre, outbox_id)) == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("garbage", "cannot be read"), ("other_hash", "other bytes"), ("slow", "")],
)
def test_a_report_whose_receipt_does_not_hold_is_sent_again_and_kept_once(
    database, outbox, outbox_id, centre, kind, reason
):
    """The centre kept it the first time; the key tells it so."""
    centre.trouble(kind, seconds=1.5)
    assert outbox.deliver_due(T) == 0
    assert reason in row(database, outbox_id).last_error
    assert row(database, outbox_id).state == "waiting"
    assert outbox.deliver_due(after(seconds=5)) == 1
    assert len(at_the_centre(centre, outbox_id)) == 1


class Killed(BaseException):
    """The process ends here, and nothing catches it."""


class DiesAfterSending:
    """The link of a worker that is killed between the send and the receipt."""

    name = "national_http"

    def __init__(self, link) -> None:
        self.link = link

    def send(self, message):
        self.link.send(message)
        raise Killed


def test_a_worker_killed_between_send_and_receipt_leaves_one_report(
    database, outbox, outbox_id, centre
):
    """The lease runs out, the next worker sends under the same key."""
    dying = Outbox(database, [DiesAfterSending(NationalHttp(centre.url))])
    with pytest.raises(Killed):
        dying.deliver_due(T)
    assert row(database, outbox_id).state == "sending"
    assert outbox.deliver_due(T + LEASE - timedelta(seconds=1)) == 0
    assert outbox.deliver_due(T + LEASE) == 1
    assert len(at_the_centre(centre, outbox_id)) == 1


def test_a_message_is_dead_after_a_week_and_can_be_revived(database, outbox_id, centre):
    """Nobody tries for ever, and a person can ask again."""
    unreachable = Outbox(database, [NationalHttp("http://127.0.0.1:9")])
    unreachable.deliver_due(T)
    assert row(database, outbox_id).state == "waiting"
    unreachable.deliver_due(after(days=7))
    assert row(database, outbox_id).state == "dead"
    assert not unreachable.revive(FINANCE, outbox_id, now=after(days=8))
    assert unreachable.revive(PROVINCE, outbox_id, now=after(days=8))
    alive = Outbox(database, [NationalHttp(centre.url)])
    assert alive.deliver_due(after(days=8)) == 1


def test_a_refusal_that_no_retry_mends_is_dead_at_once(database, outbox_id):
    """And the case says why."""

    class Refusing:
        name = "national_http"

        def send(self, message):
            raise DeliveryError("the centre answered 422: no", permanent=True)

    Outbox(database, [Refusing()]).deliver_due(T)
    with database.session(PROVINCE) as session:
        told = session.scalar(select(CaseLogRow.text).where(CaseLogRow.kind == "not_sent"))
    assert (row(database, outbox_id).state, "422" in told) == ("dead", True)


def test_a_message_for_a_channel_without_link_waits(database, outbox_id):
    """A site that is not yet connected loses nothing."""
    assert Outbox(database, []).deliver_due(after(days=30)) == 0
    assert (row(database, outbox_id).state, row(database, outbox_id).attempts) == ("waiting", 0)


def test_the_centre_refuses_the_same_key_with_another_document(centre):
    """A key is one report."""
    link = NationalHttp(centre.url)
    first = Message("k-1", "A05", "[TBSC]", "a.docx", "application/x", b"one")
    receipt = link.send(first)
    assert link.send(first) == receipt
    with pytest.raises(DeliveryError) as refused:
        link.send(Message("k-1", "A05", "[TBSC]", "a.docx", "application/x", b"two"))
    assert refused.value.permanent


def test_the_centre_takes_no_key_that_leaves_its_folder(centre):
    """Keys become file names there."""
    with pytest.raises(DeliveryError, match="400"):
        NationalHttp(centre.url).send(Message("../x", "A05", "s", "a", "application/x", b"one"))


@pytest.mark.parametrize("attempts", range(1, 40))
def test_pauses_grow_and_never_exceed_an_hour(attempts):
    """Nor do they shrink."""
    assert pause(attempts) <= pause(attempts + 1) <= timedelta(hours=1)
