"""Rows as the rest of the platform would have made them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from soc.alert.join import Joiner
from soc.model.event import signal_id
from soc.model.scope import Scope
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.register import AgencyRow, AssetRow, ContactRow, SystemRow
from soc.report.case_reports import CaseReports
from soc.report.form_files import Forms
from soc.respond.case_desk import CaseDesk
from soc.respond.playbook_files import load_playbooks, plain

T = datetime(2026, 10, 23, 7, 31, tzinfo=UTC)  # 14:31 in Vietnam
PROVINCE = Scope.province("ha")
CONSTRUCTION = Scope.of("sxd", actor="officer-sxd")
FINANCE = Scope.of("stc", actor="officer-stc")
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
FACTS: Mapping[str, Any] = {
    "outline": "Máy chủ tệp bị mã hóa dữ liệu; 120 người dùng bị ảnh hưởng.",
    "notified_to": ["coordinator"],
}


def after(**of_time: float) -> datetime:
    return T + timedelta(**of_time)


def signal(
    event: str = "e1",
    *,
    rule: str = "rule-1",
    entity: str = "host:SXD-FS01",
    agency: str | None = "sxd",
    at: datetime = T,
    level: str = "high",
    command: str = "vssadmin delete shadows /all",
) -> SignalRow:
    return SignalRow(
        id=signal_id(rule, event),
        rule_id=rule,
        rule_title="Shadow copies deleted",
        level=level,
        event_id=event,
        observed_at=at,
        received_at=at,
        agency_id=agency,
        system_id="cpxd" if agency == "sxd" else None,
        system_level=3 if agency == "sxd" else 0,
        host="SXD-FS01" if agency == "sxd" else "OTHER",
        entity=entity,
        fields={"process.command_line": command},
    )


def keep(database: Database, *rows: Any) -> None:
    with database.write(PROVINCE) as session:
        session.add_all(rows)


def with_register(database: Database) -> Database:
    """Two agencies; the first has a system with a public address, a contact and a server."""
    keep(
        database,
        AgencyRow(
            id="sxd", code="H99.08", name="Sở Xây dựng", address="Số 12 Trần Hưng Đạo",
            phone="0290 000 0108", email="soxd@example.vn",
        ),
        AgencyRow(id="stc", code="H99.09", name="Sở Tài chính"),
        AgencyRow(id="ubnd", code="H99", name="Ủy ban nhân dân tỉnh"),
        ContactRow(
            id="c1", agency_id="sxd", role="response", name="Nguyễn Thị Hà Phương",
            position="Phó Chánh Văn phòng", phone="0290 000 0109", email="phuong@example.vn",
        ),
        SystemRow(
            id="cpxd", agency_id="sxd", owner_id="ubnd", name="CSDL hồ sơ cấp phép xây dựng",
            level=3, public_addresses=["203.0.113.7"], domains=["capphep.example.vn"],
        ),
        AssetRow(
            id="a1", agency_id="sxd", name="sxd-fs01", kind="server", criticality=4,
            operating_system="Windows Server 2019",
        ),
    )  # fmt: skip
    return database


def with_alerts(database: Database, *signals: SignalRow, now: datetime = T) -> Database:
    """The register, and the alerts of these signals (one if none are given)."""
    with_register(database)
    keep(database, *(signals or (signal(),)))
    Joiner(database).join(now)
    return database


def case_desk(database: Database) -> CaseDesk:
    return CaseDesk(database, playbooks=deepcopy(shipped_playbooks()), reports=CaseReports(forms()))


@cache
def shipped_playbooks() -> Mapping[str, Mapping[str, Any]]:
    playbooks, refused = load_playbooks(PLAYBOOKS)
    assert refused == []
    return plain(playbooks)


@cache
def forms() -> Forms:
    return Forms()


def open_case(desk: CaseDesk, *, now: datetime = T) -> str:
    """A case of the first alert."""
    return desk.open(PROVINCE, title="Mã hóa dữ liệu", alert_ids=["CB-000001"], now=now)
