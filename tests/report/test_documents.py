from __future__ import annotations

import zipfile
from io import BytesIO

import pytest
from docx import Document

from soc.errors import FormError
from soc.records.database import Database
from soc.report.documents import render
from soc.report.form_files import SHIPPED, load_form
from soc.report.form_values import read_value
from soc.report.forms import draw_mau_03, draw_plain
from tests.respond.builders import FACTS, PROVINCE, T, case_desk, open_case, with_alerts

LETTERS = 'ẮẰẲẴẶắằẳẵặ ỨỪỬỮỰứừửữự ỚỜỞỠỢớờởỡợ ẾỀỂỄỆếềểễệ Đđ ỲỴỶỸỳỵỷỹ <thẻ> & "ngoặc" {{ mẫu }}'


def texts(content: bytes) -> list[str]:
    """Every paragraph, those in tables included, in the order of the page."""
    body = Document(BytesIO(content)).element.body
    space = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
    return [
        "".join(node.text or "" for node in paragraph.iter(f"{space}t"))
        for paragraph in body.iter(f"{space}p")
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The document of a case, as it is kept."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('made') / 'soc.sqlite'}")
    database.create_all()
    desk = case_desk(with_alerts(database))
    case_id = open_case(desk)
    desk.fill(PROVINCE, case_id, {**FACTS, "requests": LETTERS, "place": "Cửu Long"}, now=T)
    yield desk.document(PROVINCE, desk.make_report(PROVINCE, case_id, "mau-03", now=T))
    database.close()


def test_a_report_holds_what_the_register_and_the_case_know(made):
    """Nobody types what the platform knows."""
    lines = texts(made.content)
    assert "• Tên tổ chức/cá nhân báo cáo sự cố (*): Sở Xây dựng" in lines
    assert "• Cơ quan chủ quản: Ủy ban nhân dân tỉnh" in lines
    assert "• Họ và tên (*): Nguyễn Thị Hà Phương" in lines
    assert "• Hệ điều hành: Windows Server 2019" in lines
    assert "203.0.113.7" in lines


def test_dates_and_times_are_those_of_vietnam(made):
    """T0 is 07:31 UTC."""
    lines = texts(made.content)
    assert "• Ngày phát hiện sự cố (*): 23/10/2026" in lines
    assert "• Thời gian phát hiện (*): 14 giờ 31 phút" in lines
    assert "Cửu Long, ngày 23 tháng 10 năm 2026" in lines


def test_every_vietnamese_letter_and_sign_comes_through(made):
    """Markup and template signs in a text are text."""
    assert LETTERS in texts(made.content)


def test_boxes_are_ticked_and_left_empty(made):
    """Each choice has its box."""
    lines = texts(made.content)
    assert "☒ Chưa được xử lý" in lines
    assert "☐ Đã được xử lý" in lines
    assert "☒ Cấp độ 3" in lines
    assert "☒ Qua hệ thống phát hiện xâm nhập" in lines


@pytest.mark.parametrize(
    "heading",
    [
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "BÁO CÁO BAN ĐẦU SỰ CỐ",
        "THÔNG TIN VỀ TỔ CHỨC/CÁ NHÂN BÁO CÁO SỰ CỐ",
        "NGƯỜI LIÊN HỆ",
        "THÔNG TIN CHI TIẾT VỀ HỆ THỐNG BỊ SỰ CỐ",
        "MÔ TẢ SƠ BỘ VỀ SỰ CỐ (*)",
        "HIỆN TRẠNG SỰ CỐ (*)",
        "CÁCH THỨC PHÁT HIỆN (*)",
        "ĐÃ GỬI THÔNG BÁO SỰ CỐ CHO (*)",
        "THÔNG TIN BỔ SUNG VỀ HỆ THỐNG XẢY RA SỰ CỐ",
        "KIẾN NGHỊ, ĐỀ XUẤT HỖ TRỢ",
        "THỜI GIAN THỰC HIỆN BÁO CÁO SỰ CỐ (*)",
        "NGƯỜI ĐẠI DIỆN THEO PHÁP LUẬT",
    ],
)
def test_every_part_of_the_form_is_there(made, heading):
    """In the words of the form."""
    assert heading in texts(made.content)


def test_nothing_of_the_template_language_is_left(made):
    """Apart from what somebody typed."""
    left = [line for line in texts(made.content) if "{{" in line or "{%" in line]
    assert left == [LETTERS]


def test_the_message_carries_the_subject_that_the_form_asks_for(made):
    """[TBSC] first."""
    assert made.message["subject"].startswith("[TBSC] ")
    assert made.message["discharges"] == ["notice_at_once", "notice_24h"]


TEMPLATES = [("mau-03", draw_mau_03.draw), ("bao-cao-72-gio", draw_plain.draw)]


@pytest.mark.parametrize(("name", "draw"), TEMPLATES)
def test_the_kept_template_is_the_drawn_one(tmp_path, name, draw):
    """A change of the drawing is not forgotten (an official's own template lies in another folder)."""
    drawn = tmp_path / "drawn.docx"
    draw(load_form(SHIPPED / f"{name}.yaml")).save(str(drawn))
    paths = (drawn, SHIPPED / f"{name}.docx")
    parts = [zipfile.ZipFile(path).read("word/document.xml") for path in paths]
    assert parts[0] == parts[1]


@pytest.mark.parametrize("name", [name for name, _ in TEMPLATES])
def test_every_field_of_the_form_stands_in_the_template(name):
    """None is asked for and then lost."""
    form = load_form(SHIPPED / f"{name}.yaml")
    template = zipfile.ZipFile(SHIPPED / form.template).read("word/document.xml").decode()
    missing = [
        one.id for one in form.fields()
        if f"{{{{ {one.id}" not in template and f"box.{one.id}[" not in template
    ]  # fmt: skip
    assert missing == ["place"]  # stands in the date line


def test_the_72_hour_report_wants_cause_scope_and_remedy(database):
    """All three, as the decree says; the register fills the rest."""
    desk = case_desk(with_alerts(database))
    case_id = open_case(desk)
    desk.fill(PROVINCE, case_id, {**FACTS, "report_stage": "preliminary"}, now=T)
    with pytest.raises(FormError) as refused:
        desk.make_report(PROVINCE, case_id, "bao-cao-72-gio", now=T)
    assert refused.value.problems == (
        "thiếu: Nguyên nhân",
        "thiếu: Phạm vi ảnh hưởng",
        "thiếu: Biện pháp khắc phục",
    )


def test_a_missing_template_is_named(tmp_path):
    """A form without its Word file cannot be made."""
    form = load_form(SHIPPED / "mau-03.yaml")
    with pytest.raises(FormError, match=r"nowhere\.docx"):
        render(form, {}, tmp_path / "nowhere.docx")


def test_a_value_outside_its_choices_never_reaches_the_paper():
    """The reader of values is the gate."""
    form = load_form(SHIPPED / "mau-03.yaml")
    with pytest.raises(ValueError, match="không có lựa chọn"):
        read_value(form.field("status"), "perhaps")
