"""What a periodic report says: sections of sentences and figures, each figure with its query and the ids behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from soc.report.calendar.obligations import VIETNAM
from soc.report.figure import Figure

TEMPLATE = Path(__file__).parent / "report.typ"


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    sentences: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[int | str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class PeriodicReport:
    title: str
    basis: str
    recipient: str
    starts_at: datetime
    ends_at: datetime  # outside
    read_at: datetime
    sections: tuple[Section, ...]


def to_json(report: PeriodicReport) -> bytes:
    return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)


def from_json(content: bytes) -> PeriodicReport:
    """What ``to_json`` wrote."""
    plain: dict[str, Any] = orjson.loads(content)
    sections = tuple(
        Section(
            one["heading"],
            tuple(one["sentences"]),
            tuple(
                Figure(f["title"], f["value"], f["query"], tuple(f["ids"])) for f in one["figures"]
            ),
            tuple(one["columns"]),
            tuple(tuple(row) for row in one["rows"]),
        )
        for one in plain["sections"]
    )
    starts, ends, read_at = (
        datetime.fromisoformat(plain[name]) for name in ("starts_at", "ends_at", "read_at")
    )
    return PeriodicReport(
        plain["title"], plain["basis"], plain["recipient"], starts, ends, read_at, sections
    )


def shown_time(at: datetime) -> str:
    """Vietnam's time, as papers write it."""
    return f"{at.astimezone(VIETNAM):%H:%M %d/%m/%Y}"


def to_pdf(report: PeriodicReport) -> bytes:
    """A4, for paper. The same report gives the same bytes."""
    import typst  # only a report needs it

    shown = {
        "title": report.title,
        "basis": report.basis,
        "recipient": report.recipient,
        "first": shown_time(report.starts_at),
        "last": shown_time(report.ends_at),
        "read_at": shown_time(report.read_at),
        "sections": [
            {
                "heading": one.heading,
                "sentences": one.sentences,
                "figures": [[f.title, str(f.value)] for f in one.figures],
                "columns": one.columns,
                "rows": [[str(value) for value in row] for row in one.rows],
            }
            for one in report.sections
        ],
    }
    made: bytes = typst.compile(
        TEMPLATE,
        sys_inputs={"report": orjson.dumps(shown).decode()},
        ignore_system_fonts=True,
        timestamp=int(report.read_at.timestamp()),
    )
    return made


def to_xlsx(report: PeriodicReport) -> bytes:
    """Sheets: figures, tables, and what stands behind each figure. The same report gives the same bytes."""
    import xlsxwriter  # only a report needs it

    made = BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False})
    book.set_properties({"created": report.read_at.replace(tzinfo=None)})
    figures = [(s.heading, f) for s in report.sections for f in s.figures]
    sheets: list[tuple[str, list[tuple[int | str, ...]]]] = [
        ("Số liệu", [("Mục", "Nội dung", "Giá trị")]),
        ("Danh mục", []),
        ("Nguồn số liệu", [("Nội dung", "Truy vấn", "Thời điểm đọc", "Mã bản ghi")]),
    ]
    sheets[0][1].extend((heading, f.title, f.value) for heading, f in figures)
    for section in report.sections:
        sheets[1][1].append((section.heading,))
        sheets[1][1].extend((sentence,) for sentence in section.sentences)
        sheets[1][1].extend([section.columns, *section.rows] if section.columns else [])
    sheets[2][1].extend(
        (f.title, f.query, shown_time(report.read_at), id_) for _, f in figures for id_ in f.ids
    )
    for title, rows in sheets:
        sheet = book.add_worksheet(title)
        sheet.set_column(0, 6, 28)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(number, column, value)
                else:
                    sheet.write_number(number, column, value)
    book.close()
    return made.getvalue()


def differences(kept: bytes, again: bytes) -> list[str]:
    """Why a report made anew from today's records is not the kept one; empty: the same bytes.

    Records that are gone are named: retention has deleted them, or they were withdrawn or moved since.
    """
    if kept == again:
        return []
    before, after = _figures(from_json(kept)), _figures(from_json(again))
    told = []
    for key, one in before.items():
        now = after.get(key)
        gone = sorted(set(one.ids) - set(now.ids if now else ()))
        if now is None or now.value != one.value or gone:
            value = "không còn" if now is None else str(now.value)
            missing = f"; không còn bản ghi {', '.join(gone[:5])}" if gone else ""
            more = f" và {len(gone) - 5} bản ghi khác" if len(gone) > 5 else ""
            told.append(f"{' / '.join(key)}: {one.value} → {value}{missing}{more}")
    return told or ["chỉ câu chữ hoặc danh mục khác, các số liệu như cũ"]


def _figures(report: PeriodicReport) -> dict[tuple[str, str], Figure]:
    return {(s.heading, f.title): f for s in report.sections for f in s.figures}
