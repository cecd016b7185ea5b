from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from soc.errors import DeliveryError
from soc.records.cases import DocumentRow
from soc.records.outbox import OutboxRow
from soc.report.national.link import Message, NationalHttp, _receipt
from soc.report.national.outbox import Outbox
from soc.report.national.reconcile import (
    Line,
    Listed,
    Sent,
    Verdict,
    read_peer_list,
    reconcile,
    sent_messages,
)
from tests.report.test_national_link import Centre
from tests.respond.builders import PROVINCE, T

A05 = "Trung tâm An ninh mạng quốc gia – Bộ Công an (A05)"
KINDS = ["500", "503", "slow", "drop", "twice", "garbage", "other_hash", "other_number"]


@pytest.fixture
def centre(tmp_path):
    running = Centre(tmp_path / "centre")
    yield running
    running.close()


def queue(database, count):
    """``count`` documents that wait to be sent."""
    with database.write(PROVINCE) as session:
        for number in range(count):
            content = f"báo cáo {number}".encode()
            session.add(
                DocumentRow(
                    id=f"d-{number:05}", form="mau-03", form_version="1", file_name="a.txt",
                    media_type="text/plain", content=content, made_at=T, made_by="t",
                    content_sha256=hashlib.sha256(content).hexdigest(),
                )
            )  # fmt: skip
            session.add(
                OutboxRow(
                    id=f"nc-{number:05}", channel="national_http", recipient=A05, subject="s",
                    document_id=f"d-{number:05}", next_try_at=T, created_at=T, created_by="t",
                )
            )  # fmt: skip


MANY = int(os.environ.get("SOC_NATIONAL_MESSAGES", "1000"))


@pytest.mark.parametrize(
    "count", [40, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])]
)
def test_through_a_flaky_centre_nothing_is_lost_or_double_and_the_report_is_right_to_the_row(
    database, centre, count
):
    """Each kind of trouble, on two answers of five; wrong receipt numbers are found, by name."""
    queue(database, count)
    mood = {"kinds": KINDS, "share": 0.4, "seed": 3, "seconds": 0.2}
    assert httpx2.post(f"{centre.url}/v1/mood", json=mood).status_code == 204
    outbox = Outbox(database, [NationalHttp(centre.url, timeout=timedelta(seconds=0.15))])
    now, delivered = T, 0
    while delivered < count and now < T + timedelta(days=2):
        sent = outbox.deliver_due(now)
        delivered += sent
        now += timedelta(seconds=0 if sent else 5)
    there = centre.reports()
    assert Counter(one["key"] for one in there) == {f"nc-{n:05}": 1 for n in range(count)}
    with database.session(PROVINCE) as session:
        rows = session.scalars(select(OutboxRow)).all()
        assert {row.state for row in rows} == {"sent"}
        forged = {row.id for row in rows if row.receipt["receipt_id"].startswith("QG-0000-")}
    lines = reconcile(
        sent_messages(database, PROVINCE, "national_http"),
        read_peer_list(json.dumps(there).encode()),
    )
    wrong = {line.key for line in lines if line.verdict is not Verdict.ACCEPTED}
    assert (len(lines), wrong) == (count, forged)
    assert forged
    assert {line.verdict for line in lines if line.key in forged} == {Verdict.OTHER_RECEIPT}


def test_each_difference_between_the_lists_has_its_verdict():
    """By hand, one message for each."""
    ours = [
        Sent("a", "sent", "1", "r"), Sent("b", "dead", "1"), Sent("c", "waiting", "1"),
        Sent("d", "sending", "1"), Sent("e", "sent", "1", "r"), Sent("f", "sent", "1", "r"),
        Sent("g", "sent", "1", "r"), Sent("h", "sent", "1", "r"),
    ]  # fmt: skip
    theirs = [
        Listed("a", "1", "r"), Listed("d", "1", "r"), Listed("f", "1", "r"), Listed("f", "1", "r"),
        Listed("g", "2", "r"), Listed("h", "1", "q"), Listed("z", "1", "r"),
    ]  # fmt: skip
    assert reconcile(ours, theirs) == [
        Line("a", Verdict.ACCEPTED), Line("b", Verdict.REFUSED), Line("c", Verdict.WAITING),
        Line("d", Verdict.UNCONFIRMED), Line("e", Verdict.LOST), Line("f", Verdict.TWICE),
        Line("g", Verdict.OTHER_BYTES), Line("h", Verdict.OTHER_RECEIPT),
        Line("z", Verdict.UNKNOWN),
    ]  # fmt: skip


def test_a_list_with_one_broken_entry_is_refused_with_its_number():
    """Half a list would tell of losses that are none."""
    good = {"key": "a", "sha256": "1", "receipt_id": "r"}
    assert read_peer_list(json.dumps([good]).encode()) == [Listed("a", "1", "r")]
    with pytest.raises(DeliveryError, match="entry 2"):
        read_peer_list(json.dumps([good, {**good, "key": 7}]).encode())


@given(st.binary(max_size=200) | st.just(b"[" * 100_000))
def test_hostile_bytes_in_a_list_or_a_receipt_are_one_kind_of_error(body):
    """The other side of the wire is not ours."""
    with pytest.raises(DeliveryError):
        _receipt(201, body, Message("k", "A05", "s", "a", "text/plain", b"x"))
    with suppress(DeliveryError):
        assert read_peer_list(body) == []
