"""The daily, weekly, monthly and six-monthly reports, read from the records.

Only what was known when the report was read is counted, so that a report made anew from the same records is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.model.alert import Disposition, Severity
from soc.records.agents import AgentRow
from soc.records.alerts import AlertRow
from soc.records.cases import CaseRow
from soc.records.register import AgencyRow, AssetRow, RegisterChangeRow, SystemRow
from soc.records.reports import ReportDutyRow
from soc.report.calendar.desk import Writer
from soc.report.calendar.obligations import VIETNAM
from soc.report.figure import Figure
from soc.report.periodic.content import PeriodicReport, Section, shown_time, to_json
from soc.report.periodic.continuity import continuity
from soc.report.yearly import COLUMNS, YearlyReport, yearly_report
from soc.report.yearly_register import dossiers

SEVERITIES = {
    Severity.CRITICAL: "Nghiêm trọng",
    Severity.HIGH: "Cao",
    Severity.MEDIUM: "Trung bình",
    Severity.LOW: "Thấp",
    Severity.INFORMATIONAL: "Thông tin",
}
NOT_SAID = "Chưa xác định"
Rows = list[Any]


def write(kind: str, session: Session, duty: ReportDutyRow, read_at: datetime) -> bytes:
    """The report of a duty as JSON."""
    starts, ends = duty.starts_at, min(duty.ends_at, read_at)
    alerts, cases = _alerts(session, starts, ends, read_at), _cases(session, starts, ends)
    sections: tuple[Section, ...]
    if kind == "daily":
        sections = (
            continuity(session, starts, duty.ends_at, read_at),
            _summary(alerts, cases, read_at),
        )
    elif kind == "weekly":
        sections = _five(session, duty, alerts, read_at)
    else:
        sections = _by_everything(session, alerts, cases, read_at)
    return to_json(
        PeriodicReport(
            duty.title_vi, duty.basis, duty.recipient, starts, duty.ends_at, read_at, sections
        )
    )


def write_yearly(session: Session, duty: ReportDutyRow, read_at: datetime) -> bytes:
    """Mẫu 08 as a periodic report: the seven totals and the table."""
    year = duty.ends_at.astimezone(VIETNAM).year
    made: YearlyReport = yearly_report(dossiers(session), year=year, read_at=read_at)
    rows = Section("Danh sách hệ thống thông tin", columns=COLUMNS, rows=made.rows)
    return to_json(
        PeriodicReport(
            duty.title_vi, duty.basis, duty.recipient, duty.starts_at, duty.ends_at, read_at,
            (Section("Số liệu tổng hợp", figures=made.totals), rows),
        )
    )  # fmt: skip


def writers() -> dict[str, Writer]:
    """For the calendar's desk, by content."""
    kinds = ("daily", "weekly", "monthly", "half_year")
    return {**{kind: partial(write, kind) for kind in kinds}, "yearly": write_yearly}


def _alerts(session: Session, starts: datetime, ends: datetime, read_at: datetime) -> Rows:
    wanted = select(AlertRow).where(AlertRow.created_at >= starts, AlertRow.created_at < ends)
    rows = session.scalars(wanted.order_by(AlertRow.number))
    return [row for row in rows if row.withdrawn_at is None or row.withdrawn_at > read_at]


def _cases(session: Session, starts: datetime, ends: datetime) -> Rows:
    wanted = select(CaseRow).where(CaseRow.detected_at >= starts, CaseRow.detected_at < ends)
    return list(session.scalars(wanted.order_by(CaseRow.id)))


def _figure(title: str, query: str, rows: Iterable[Any]) -> Figure:
    ids = tuple(row.id for row in rows)
    return Figure(title, len(ids), query, ids)


def _summary(alerts: Rows, cases: Rows, read_at: datetime) -> Section:
    false = [
        row
        for row in alerts
        if row.disposition == Disposition.FALSE_POSITIVE
        and row.closed_at
        and row.closed_at <= read_at
    ]
    return Section(
        "Cảnh báo và sự cố",
        figures=(
            _figure("Tổng số cảnh báo", "alerts created in the period, not withdrawn", alerts),
            *_each(
                alerts, "Cảnh báo mức", "alerts of severity", lambda row: row.severity, SEVERITIES
            ),
            _figure("Đã kết luận là cảnh báo nhầm", "alerts closed as false_positive", false),
            _figure("Số sự cố phát hiện", "cases detected in the period", cases),
        ),
    )


def _each(
    rows: Rows, title: str, query: str, key: Callable[[Any], Any], names: dict[Any, str]
) -> Iterable[Figure]:
    """A figure for each name, also for none; what has another key comes last."""
    by_key: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        by_key[key(row)].append(row)
    for each in [*names, *sorted(set(by_key) - set(names), key=str)]:
        label = names.get(each) or str(each or NOT_SAID)
        yield _figure(f"{title} {label}".strip(), f"{query} {each or 'not set'}", by_key[each])


def _by_everything(
    session: Session, alerts: Rows, cases: Rows, read_at: datetime
) -> tuple[Section, ...]:
    names = {row.id: row.name for row in session.scalars(select(AgencyRow).order_by(AgencyRow.id))}
    had = {row.agency_id for row in (*alerts, *cases)}
    names = {key: name for key, name in names.items() if key in had}

    def both(heading: str, key: Callable[[Any], Any], query: str, known: dict[Any, str]) -> Section:
        return Section(
            heading,
            figures=(
                *_each(alerts, "Cảnh báo,", f"alerts of {query}", key, known),
                *_each(cases, "Sự cố,", f"cases of {query}", key, known),
            ),
        )

    by_class = _each(
        cases, "Sự cố,", "cases of class", lambda row: row.classification.split("/")[0], {}
    )
    levels = {level: f"cấp độ {level}" for level in range(1, 6)} | {0: "chưa rõ cấp độ"}
    return (
        _summary(alerts, cases, read_at),
        Section("Theo loại sự cố", figures=tuple(by_class)),
        both("Theo cơ quan", lambda row: row.agency_id, "agency", names),
        both("Theo cấp độ hệ thống thông tin", lambda row: row.system_level, "level", levels),
    )


def _five(
    session: Session, duty: ReportDutyRow, alerts: Rows, read_at: datetime
) -> tuple[Section, ...]:
    """The five contents of TT 31/2017 article 5, in its order."""
    grave = [row for row in alerts if row.severity in (Severity.CRITICAL, Severity.HIGH)]
    span = f"Từ {shown_time(duty.starts_at)} đến trước {shown_time(duty.ends_at)}."
    first = continuity(session, duty.starts_at, duty.ends_at, read_at)
    time = Section(
        "Thời gian giám sát", (span, *first.sentences), first.figures, first.columns, first.rows
    )
    targets = Section(
        "Danh mục đối tượng bị tấn công cần chú ý",
        () if grave else ("Không có cảnh báo mức cao hoặc nghiêm trọng.",),
        (_figure("Cảnh báo mức cao và nghiêm trọng", "alerts high or critical", grave),),
        ("Địa chỉ IP", "Máy", "Mô tả dịch vụ", "Thời điểm"),
        tuple(_targets(session, grave)),
    )
    by_rule: dict[tuple[str, str], Rows] = defaultdict(list)
    by_source: dict[str, Rows] = defaultdict(list)
    for row in alerts:
        by_rule[(row.rule_id, row.title_vi or row.title)].append(row)
        if source := row.fields.get("source.ip"):
            by_source[str(source)].append(row)
    means = [
        _figure(key[1], f"alerts of rule {key[0]}", rows) for key, rows in sorted(by_rule.items())
    ]
    actors = [
        _figure(key, f"alerts with source.ip {key}", rows)
        for key, rows in sorted(by_source.items())
    ]
    return (
        time,
        targets,
        Section("Kỹ thuật tấn công đã phát hiện và chứng cứ", _none(means), tuple(means),
                ("Kỹ thuật", "Chứng cứ (mã cảnh báo)"),
                tuple((one.title, ", ".join(one.ids[:10])) for one in means)),
        Section("Đối tượng thực hiện tấn công", _none(actors), tuple(actors)),
        _changes(session, duty.starts_at, min(duty.ends_at, read_at)),
    )  # fmt: skip


def _none(figures: list[Figure]) -> tuple[str, ...]:
    return () if figures else ("Không có.",)


def _targets(session: Session, alerts: Rows) -> Iterable[tuple[str, ...]]:
    systems = {row.id: row.name for row in session.scalars(select(SystemRow))}
    assets = {
        (row.agency_id, row.name.lower()): row.addresses
        for row in session.scalars(select(AssetRow))
    }
    for row in alerts:
        known = assets.get((row.agency_id, row.host.lower()), [])
        address = ", ".join(map(str, known)) or str(row.fields.get("host.ip") or "")
        system = systems.get(row.system_id or "", NOT_SAID)
        yield address or NOT_SAID, row.host, system, shown_time(row.first_seen_at)


def _changes(session: Session, starts: datetime, ends: datetime) -> Section:
    change, agent = RegisterChangeRow, AgentRow
    changes = session.scalars(
        select(change).where(change.at >= starts, change.at < ends).order_by(change.number)
    )
    told: dict[str, list[str]] = defaultdict(list)
    for row in changes:
        told[f"{row.noun} {row.act}"].append(str(row.number))
    came = session.scalars(
        select(agent).where(agent.enrolled_at >= starts, agent.enrolled_at < ends)
    )
    left = session.scalars(select(agent).where(agent.revoked_at >= starts, agent.revoked_at < ends))
    return Section(
        "Thay đổi trong hệ thống được giám sát và hệ thống giám sát",
        figures=(
            *(Figure(f"Sổ đăng ký: {key}", len(ids), f"register_changes {key}", tuple(ids))
              for key, ids in sorted(told.items())),
            _figure("Nguồn giám sát thêm mới", "agents enrolled in the period", sorted(came, key=_id)),
            _figure("Nguồn giám sát thu hồi", "agents revoked in the period", sorted(left, key=_id)),
        ),
    )  # fmt: skip


def _id(row: Any) -> str:
    return str(row.id)
