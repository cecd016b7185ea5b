"""Mẫu 08 of Decree 331: expected cells are written by hand."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO

import openpyxl
import orjson
from typer.testing import CliRunner

from soc.cli.report import app
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.register import AgencyRow, SystemRow
from soc.report.yearly import SystemDossier, due, period, to_json, to_pdf, to_xlsx, yearly_report

READ_AT = datetime(2026, 12, 15, 1, 0, tzinfo=UTC)
OWNER = "Ủy ban nhân dân tỉnh"
PORTAL = SystemDossier(
    "s1", "Cổng dịch vụ công", OWNER, "Sở Khoa học và Công nghệ", 3, "approved",
    "12/QĐ-UBND, 05/3/2026, UBND tỉnh", "34/QĐ-UBND", None, "full", None, ("periodic", "before_use"),
)  # fmt: skip
MAIL = SystemDossier(
    "s2", "=Thư điện tử", OWNER, "Văn phòng", 2, "appraised", "", "",
    date(2027, 3, 1), "partial", date(2027, 6, 30), ("periodic",),
)  # fmt: skip
DRAFT = SystemDossier(
    "s3", "Lưu trữ", OWNER, "Sở Nội vụ", None, "drafting", "", "", date(2027, 5, 9), "none", None, ()
)  # fmt: skip
SENT = replace(DRAFT, id="s4", name="Một cửa", level=3, approval_state="sent", plan_state="")
ENDED = replace(PORTAL, id="s5", valid_to=date(2026, 12, 13))
LATER = replace(PORTAL, id="s6", valid_from=date(2026, 12, 15))
LAST_DAY = replace(PORTAL, id="s7", valid_from=date(2026, 12, 14), checks=("before_use",))
SEEDED = (LATER, LAST_DAY, SENT, DRAFT, ENDED, MAIL, PORTAL)
TOTALS = [5, 4, 4, 3, 2, 1, "09/05/2027"]
ROWS = [
    [1, "Cổng dịch vụ công", "Ủy ban nhân dân tỉnh", "Sở Khoa học và Công nghệ", 3,
     "Đã được phê duyệt", "12/QĐ-UBND, 05/3/2026, UBND tỉnh", "34/QĐ-UBND", "",
     "Đã triển khai đầy đủ", "", "Trước khi đưa vào sử dụng; Định kỳ"],
    [2, "=Thư điện tử", "Ủy ban nhân dân tỉnh", "Văn phòng", 2, "Đã thẩm định", "", "",
     "01/03/2027", "Đã triển khai một số hạng mục", "30/06/2027", "Định kỳ"],
    [3, "Lưu trữ", "Ủy ban nhân dân tỉnh", "Sở Nội vụ", "", "Đang dự thảo", "", "",
     "09/05/2027", "Chưa triển khai", "", ""],
    [4, "Một cửa", "Ủy ban nhân dân tỉnh", "Sở Nội vụ", 3, "Đã gửi thẩm định", "", "",
     "09/05/2027", "", "", ""],
    [5, "Cổng dịch vụ công", "Ủy ban nhân dân tỉnh", "Sở Khoa học và Công nghệ", 3,
     "Đã được phê duyệt", "12/QĐ-UBND, 05/3/2026, UBND tỉnh", "34/QĐ-UBND", "",
     "Đã triển khai đầy đủ", "", "Trước khi đưa vào sử dụng"],
]  # fmt: skip


def pages(document):
    return len(re.findall(rb"/Type\s*/Page\b", document))


def made(*dossiers):
    return yearly_report(dossiers, year=2026, read_at=READ_AT)


def test_a_seeded_year_equals_the_hand_made_cells():
    """Systems that ended before 14/12 or began after it are not counted; both edges of the day are."""
    shown = orjson.loads(to_json(made(*SEEDED)))
    assert [total["value"] for total in shown["totals"]] == TOTALS
    assert shown["rows"] == ROWS


def test_the_workbook_shows_the_same_cells_and_runs_no_formula():
    book = openpyxl.load_workbook(BytesIO(to_xlsx(made(*SEEDED))))
    cells = [["" if c is None else c for c in row] for row in book["Danh sách"].values]
    assert cells[1:] == ROWS
    assert [row[1] for row in book["Tổng hợp"].values][1:] == TOTALS
    assert book["Danh sách"]["B3"].data_type == "s"


def test_each_total_names_its_query_and_the_systems_behind_it():
    totals = made(*SEEDED).totals
    assert totals[3].ids == ("s1", "s2", "s7")
    assert all("2026-12-14" in total.query for total in totals)


def test_no_day_is_invented_when_one_waiting_system_has_none():
    assert made(MAIL, replace(DRAFT, approval_expected=None)).totals[6].value == ""


def test_the_same_register_gives_the_same_bytes_in_any_order():
    assert to_xlsx(made(*SEEDED)) == to_xlsx(made(*reversed(SEEDED)))


def test_no_system_and_two_thousand_systems_both_make_a_workbook():
    many = [replace(MAIL, id=f"m{number:04}") for number in range(2000)]
    for dossiers, lines in (([], 1), (many, 2001)):
        book = openpyxl.load_workbook(BytesIO(to_xlsx(made(*dossiers))))
        assert book["Danh sách"].max_row == lines


def test_the_cut_off_and_the_due_days_are_those_of_articles_35_and_36():
    assert period(2026) == (date(2025, 12, 15), date(2026, 12, 14))
    assert due(2026) == (date(2026, 12, 20), date(2026, 12, 25))


def test_one_command_writes_the_report_of_the_register(tmp_path, monkeypatch):
    """Names of agencies stand for their ids; another ending than those is refused in a sentence."""
    database = Database(f"sqlite:///{tmp_path / 'soc.sqlite'}")
    database.create_all()
    with database.write(Scope.province("test")) as session:
        session.add(AgencyRow(id="a1", code="H01.05", name="Sở Nội vụ"))
        session.add(
            SystemRow(
                id="s1", name="Lưu trữ", owner_id="a1", agency_id="a1", level=3,
                approval_state="approved", checks=["periodic"], plan_state="full",
            )
        )  # fmt: skip

    @contextmanager
    def opened():
        yield None, database

    monkeypatch.setattr("soc.cli.case.open_database", opened)
    out = tmp_path / "mau-08.json"
    done = CliRunner().invoke(app, ["yearly", "--year", "2026", "--out", str(out)])
    refused = CliRunner().invoke(app, ["yearly", "--year", "2026", "--out", "mau-08.odt"])
    database.close()
    assert done.exit_code == 0, done.output
    assert orjson.loads(out.read_bytes())["rows"] == [
        [1, "Lưu trữ", "Sở Nội vụ", "Sở Nội vụ", 3, "Đã được phê duyệt", "", "", "",
         "Đã triển khai đầy đủ", "", "Định kỳ"],
    ]  # fmt: skip
    assert refused.exit_code == 2


def test_the_printed_report_has_a_page_for_nothing_and_many_for_two_thousand_long_names():
    """Same register, same bytes; a name with markup in it is printed as it stands."""
    long = replace(MAIL, name="Hệ thống #panic() *giải quyết* thủ tục hành chính " * 4)
    many = [replace(long, id=f"m{number:04}") for number in range(2000)]
    assert to_pdf(made(*SEEDED)) == to_pdf(made(*reversed(SEEDED)))
    assert pages(to_pdf(made())) == 1
    assert pages(to_pdf(made(*many))) > 50
