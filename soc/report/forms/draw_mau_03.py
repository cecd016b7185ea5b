"""Draws mau-03.docx, the Word template of Mẫu 03, in the order and words of the form of 2017.

Run ``python -m soc.report.forms.draw_mau_03`` after a change; the .docx is kept beside this file, so that officials may
also edit it by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from docx.shared import Pt

from soc.report.form_files import SHIPPED, Form, load_form
from soc.report.forms.pen import Pen, indented, letterhead, signature, title_and_addressees, write

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

NOTE = "Mẫu số 03 – ban hành kèm theo Thông tư số 20/2017/TT-BTTTT"


def draw(form: Form) -> WordDocument:
    """The whole template."""
    pen = Pen(form)
    letterhead(pen, NOTE)
    title_and_addressees(pen)
    _parties(pen)
    _incident(pen)
    _extra(pen)
    _end(pen)
    _notes(pen)
    return pen.document


def _parties(pen: Pen) -> None:
    pen.heading("Thông tin về tổ chức/cá nhân báo cáo sự cố")
    pen.line("reporter_name")
    pen.line("reporter_address")
    pen.line("reporter_phone", "reporter_email")
    pen.heading("Người liên hệ")
    pen.line("contact_name", "contact_position")
    pen.line("contact_phone", "contact_email")
    pen.heading("Thông tin chi tiết về hệ thống bị sự cố")
    for name in ("operator_name", "owner_name", "system_name"):
        pen.line(name)
    pen.boxes("system_level", columns=5)
    pen.line("security_provider")
    pen.line("internet_provider")


def _incident(pen: Pen) -> None:
    pen.heading("Mô tả sơ bộ về sự cố (*)")
    hint = indented(pen.document.add_paragraph())
    write(
        hint,
        "(Tóm tắt về sự cố, mức độ nhạy cảm của thông tin, các đối tượng bị ảnh hưởng)",
        italic=True,
        size=11,
    )
    pen.text("outline")
    pen.line("detected_date", "detected_time")
    for name, columns in (("status", 2), ("detection_methods", 1), ("notified_to", 1)):
        pen.heading(f"{pen.field(name).label_vi} (*)")
        pen.boxes(name, columns=columns, label=False)


def _extra(pen: Pen) -> None:
    pen.heading("Thông tin bổ sung về hệ thống xảy ra sự cố")
    pen.line("operating_system", "operating_system_version")
    pen.boxes("services", columns=2)
    pen.boxes("measures", columns=2)
    pen.block("addresses")
    pen.line("domains")
    pen.block("purpose")
    pen.boxes("attachments", columns=2)
    pen.boxes("confidential", columns=2)


def _end(pen: Pen) -> None:
    pen.heading("Kiến nghị, đề xuất hỗ trợ")
    pen.text("requests")
    pen.heading("Thời gian thực hiện báo cáo sự cố (*)")
    when = indented(pen.document.add_paragraph())
    when.paragraph_format.keep_with_next = True
    write(when, "{{ report_time }}, ngày {{ report_date }} (giờ Việt Nam, UTC+7)")
    signature(pen)


def _notes(pen: Pen) -> None:
    head = pen.document.add_paragraph()
    head.paragraph_format.space_before = Pt(12)
    write(head, "Ghi chú:", bold=True, italic=True, size=11)
    for line in (
        "- Những nội dung có dấu (*) là bắt buộc; các nội dung khác có thể bỏ qua.",
        "- Gửi qua thư điện tử thì tiêu đề thư bắt đầu bằng [TBSC].",
        "- Thời hạn: {{ form.basis[1] }}.",
    ):
        write(pen.document.add_paragraph(), line, italic=True, size=11)


def main() -> None:
    """Draw the template beside this file."""
    document = draw(load_form(SHIPPED / "mau-03.yaml"))
    document.save(str(Path(__file__).with_name("mau-03.docx")))


if __name__ == "__main__":
    main()
