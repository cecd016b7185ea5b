"""The yearly report, Mẫu 08 of Decree 331/2026 (articles 35-36): seven totals and a table of twelve columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from soc.report.figure import Figure

TEMPLATE = Path(__file__).parent / "forms" / "mau-08.typ"
APPROVAL = {
    "": "",
    "drafting": "Đang dự thảo",
    "sent": "Đã gửi thẩm định",
    "appraised": "Đã thẩm định",
    "approved": "Đã được phê duyệt",
}
PLAN = {
    "": "",
    "none": "Chưa triển khai",
    "partial": "Đã triển khai một số hạng mục",
    "full": "Đã triển khai đầy đủ",
}
CHECK = {"before_use": "Trước khi đưa vào sử dụng", "periodic": "Định kỳ"}
COLUMNS = (
    "STT",
    "Tên hệ thống thông tin",
    "Chủ quản",
    "Đơn vị vận hành",
    "Cấp độ đề xuất",
    "Tình trạng phê duyệt",
    "Quyết định phê duyệt",
    "Quy chế bảo đảm an ninh mạng",
    "Dự kiến thời điểm phê duyệt",
    "Đã triển khai đầy đủ phương án bảo đảm an ninh mạng",
    "Dự kiến thời điểm triển khai đầy đủ",
    "Đã kiểm tra, đánh giá an ninh mạng",
)


@dataclass(frozen=True, slots=True)
class SystemDossier:
    """What the register says of one system; the states are those of the register file, ``""`` is not known."""

    id: str
    name: str
    owner: str  # names, as they are printed
    operator: str
    level: int | None
    approval_state: str
    decision: str
    regulation: str
    approval_expected: date | None
    plan_state: str
    plan_expected: date | None
    checks: tuple[str, ...]
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class YearlyReport:
    year: int
    read_at: datetime  # when the register was read: states are those of that minute
    totals: tuple[Figure, ...]
    rows: tuple[tuple[int | str, ...], ...]


def period(year: int) -> tuple[date, date]:
    """First and last day of the figures.

    >>> [day.isoformat() for day in period(2026)]
    ['2025-12-15', '2026-12-14']
    """
    return date(year - 1, 12, 15), date(year, 12, 14)


def due(year: int) -> tuple[date, date]:
    """The days before which the unit reports to the owner, and the owner to the Ministry of Public Security."""
    return date(year, 12, 20), date(year, 12, 25)


def yearly_report(
    dossiers: Iterable[SystemDossier], *, year: int, read_at: datetime
) -> YearlyReport:
    """Mẫu 08 over the systems that exist on the last day of the period, in the order of their ids."""
    last = period(year)[1]
    systems = sorted((one for one in dossiers if _exists(one, last)), key=lambda one: one.id)
    rows = tuple(_row(number, one) for number, one in enumerate(systems, 1))
    return YearlyReport(year, read_at, _totals(systems, last), rows)


def _exists(system: SystemDossier, day: date) -> bool:
    started = system.valid_from is None or system.valid_from <= day
    return started and (system.valid_to is None or system.valid_to >= day)


def _totals(systems: list[SystemDossier], last: date) -> tuple[Figure, ...]:
    def count(title: str, query: str, chosen: Iterable[SystemDossier]) -> Figure:
        ids = tuple(one.id for one in chosen)
        return Figure(title, len(ids), f"systems on {last}: {query}", ids)

    def in_state(*states: str) -> list[SystemDossier]:
        return [one for one in systems if one.approval_state in states]

    approved = in_state("approved")
    checked = [one for one in approved if "periodic" in one.checks]
    classified = [one for one in systems if one.level is not None]
    return (
        count("Số hệ thống thông tin quản lý", "all", systems),
        count("Số đã phân loại, xác định cấp độ", "level known", classified),
        count(
            "Số đã lập hồ sơ đề xuất cấp độ",
            "approval_state sent, appraised or approved",
            in_state("sent", "appraised", "approved"),
        ),
        count(
            "Số đã được thẩm định",
            "approval_state appraised or approved",
            in_state("appraised", "approved"),
        ),
        count("Số đã được phê duyệt", "approval_state approved", approved),
        count(
            "Số đã được phê duyệt và kiểm tra, đánh giá định kỳ",
            "approval_state approved, checks periodic",
            checked,
        ),
        _all_approved_on([one for one in systems if one.approval_state != "approved"], last),
    )


def _all_approved_on(waiting: list[SystemDossier], last: date) -> Figure:
    """The latest expected day; empty when none waits, or when one that waits has no day yet: none is invented."""
    days = [one.approval_expected for one in waiting]
    known = [day for day in days if day is not None]
    value = _day(max(known)) if known and len(known) == len(days) else ""
    query = f"systems on {last}: latest approval_expected of those not approved, if all have one"
    ids = tuple(one.id for one in waiting)
    return Figure("Dự kiến thời điểm phê duyệt toàn bộ", value, query, ids)


def _row(number: int, one: SystemDossier) -> tuple[int | str, ...]:
    return (
        number,
        one.name,
        one.owner,
        one.operator,
        "" if one.level is None else one.level,
        APPROVAL[one.approval_state],
        one.decision,
        one.regulation,
        _day(one.approval_expected),
        PLAN[one.plan_state],
        _day(one.plan_expected),
        "; ".join(label for check, label in CHECK.items() if check in one.checks),
    )


def _day(day: date | None) -> str:
    return "" if day is None else day.strftime("%d/%m/%Y")


def to_json(report: YearlyReport) -> bytes:
    """The figures with the query, the time and the ids behind each."""
    first, last = period(report.year)
    to_owner, to_ministry = due(report.year)
    shown: dict[str, Any] = {
        "form": "Mẫu 08, Nghị định 331/2026/NĐ-CP",
        "year": report.year,
        "period": {"first": first, "last": last},
        "due_before": {"owner": to_owner, "ministry": to_ministry},
        "read_at": report.read_at,
        "totals": report.totals,
        "columns": COLUMNS,
        "rows": report.rows,
    }
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2)


def to_xlsx(report: YearlyReport) -> bytes:
    """Three sheets: totals, table, and what stands behind each total. The same report gives the same bytes."""
    import xlsxwriter  # only a report needs it

    made = BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False})
    book.set_properties({"created": report.read_at.replace(tzinfo=None)})
    bold, wrapped = book.add_format({"bold": True, "text_wrap": True}), book.add_format()
    wrapped.set_text_wrap()
    behind = [
        (t.title, t.query, report.read_at.isoformat(), id_) for t in report.totals for id_ in t.ids
    ]
    for title, head, rows in (
        ("Tổng hợp", ("Nội dung", "Giá trị"), [(t.title, t.value) for t in report.totals]),
        ("Danh sách", COLUMNS, report.rows),
        ("Nguồn số liệu", ("Nội dung", "Truy vấn", "Thời điểm", "Mã hệ thống"), behind),
    ):
        sheet = book.add_worksheet(title)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_column(0, len(head) - 1, 24)
        sheet.write_row(0, 0, head, bold)
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(number, column, value, wrapped)
                else:
                    sheet.write_number(number, column, value, wrapped)
    book.close()
    return made.getvalue()


def to_pdf(report: YearlyReport) -> bytes:
    """The document as it is printed, A4 across. The same report gives the same bytes."""
    import typst  # only a report needs it

    first, last = period(report.year)
    shown = {
        "year": report.year,
        "first": _day(first),
        "last": _day(last),
        "read_at": f"{report.read_at:%H:%M %d/%m/%Y}",
        "totals": [{"title": total.title, "value": total.value} for total in report.totals],
        "columns": COLUMNS,
        "rows": report.rows,
    }
    made: bytes = typst.compile(
        TEMPLATE,
        sys_inputs={"report": orjson.dumps(shown).decode()},
        ignore_system_fonts=True,
        timestamp=int(report.read_at.timestamp()),
    )
    return made
