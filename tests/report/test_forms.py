from __future__ import annotations

import shutil
from datetime import date

import pytest

from soc.errors import FormError, NotFound
from soc.report.form_files import SHIPPED, Forms, load_form
from soc.report.form_values import check_facts, fill, problems


@pytest.fixture(scope="module")
def form():
    return load_form(SHIPPED / "mau-03.yaml")


def filled(form, **changes):
    """A form that may be sent, with changes; None takes a field away."""
    facts = {
        "reporter_name": "Sở Xây dựng", "reporter_address": "Số 12", "reporter_phone": "0290",
        "reporter_email": "a@b.vn", "contact_name": "Phương", "contact_phone": "0900",
        "contact_email": "p@b.vn", "operator_name": "Sở Xây dựng", "outline": "Mã hóa",
        "detected_date": "23/11/2026", "detected_time": "14:31", "status": "not_handled",
        "detection_methods": ["log_review"], "notified_to": "coordinator",
        "report_date": "2026-11-23", "report_time": "16:05",
    }  # fmt: skip
    return {name: value for name, value in (facts | changes).items() if value is not None}


def test_a_form_with_all_required_fields_may_be_sent(form):
    """The sixteen with the star."""
    assert problems(form, fill(form, {}, filled(form))) == ()


@pytest.mark.parametrize(
    "name", [one.id for one in load_form(SHIPPED / "mau-03.yaml").fields() if one.required]
)
def test_each_required_field_is_named_in_vietnamese_when_missing(form, name):
    """One by one, by its label on the form."""
    assert problems(form, filled(form, **{name: None})) == (f"thiếu: {form.field(name).label_vi}",)


def test_the_stars_are_those_of_the_form():
    """Reporter, contact, operator, outline, detection, state, ways, notified, time of the report."""
    form = load_form(SHIPPED / "mau-03.yaml")
    assert [one.id for one in form.fields() if one.required] == list(filled(form))


@pytest.mark.parametrize(
    "address",
    ["10.14.8.10", "192.168.1.1", "172.20.0.9", "100.64.1.1", "127.0.0.1", "fd00::1", "fe80::1"],
)
def test_an_internal_address_is_refused(form, address):
    """Public addresses only, in IPv4 and IPv6."""
    with pytest.raises(FormError, match="địa chỉ nội bộ"):
        check_facts(form, {"addresses": ["203.0.113.7", address]})


def test_an_internal_address_of_the_register_keeps_the_report_back(form):
    """It is named, not dropped in silence."""
    values = fill(form, {"system.public_addresses": ["10.1.2.3"]}, filled(form))
    assert "10.1.2.3" in problems(form, values)[0]


def test_public_addresses_are_read_from_a_list_or_a_line(form):
    """As web forms and registers write them."""
    assert check_facts(form, {"addresses": "203.0.113.7; 2001:db8::1"}) == {
        "addresses": ["203.0.113.7", "2001:db8::1"]
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("detected_date", "31/02/2026"), ("detected_time", "25:00"), ("status", "maybe"),
        ("reporter_email", "nobody"), ("notified_to", ["everybody"]), ("addresses", "web server"),
        ("outline", "x" * 4001), ("outline", "a\x00b"), ("no_such_field", "x"),
    ],
)  # fmt: skip
def test_a_value_that_the_form_does_not_allow_is_refused(form, name, value):
    """Where it is typed, not when the report is due."""
    with pytest.raises(FormError):
        check_facts(form, {name: value})


def test_a_ticked_box_that_asks_for_words_needs_them(form):
    """ "Notified by" without a name says nothing."""
    values = filled(form, detection_methods=["notified"])
    assert problems(form, values) == ("thiếu: Nhận được thông báo từ ai",)


def test_what_people_filled_in_goes_before_what_the_records_know(form):
    """And an emptied field falls back."""
    known = {"agency.name": "Từ sổ đăng ký"}
    assert fill(form, known, {"reporter_name": "Sửa tay"})["reporter_name"] == "Sửa tay"
    assert fill(form, known, {"reporter_name": ""})["reporter_name"] == "Từ sổ đăng ký"


def test_a_new_version_of_a_form_takes_over_on_its_day(tmp_path):
    """Forms are data: a new file is enough."""
    for name in ("mau-03.yaml", "mau-03.docx"):
        shutil.copy(SHIPPED / name, tmp_path)
    old = (tmp_path / "mau-03.yaml").read_text("utf-8")
    new = old.replace('version: "2017.1"', 'version: "2027.1"').replace("2017-11-01", "2027-03-01")
    (tmp_path / "mau-03-2027.yaml").write_text(new, "utf-8")
    forms = Forms(tmp_path)
    assert forms.get("mau-03", date(2027, 2, 28)).version == "2017.1"
    assert forms.get("mau-03", date(2027, 3, 1)).version == "2027.1"


def test_a_form_before_its_first_day_is_not_found():
    """Nothing is reported on a form that did not exist."""
    with pytest.raises(NotFound):
        Forms().get("mau-03", date(2016, 1, 1))


def test_a_form_file_with_a_mistake_names_the_place(tmp_path):
    """A field of a kind that does not exist."""
    text = (SHIPPED / "mau-03.yaml").read_text("utf-8")
    path = tmp_path / "x.yaml"
    path.write_text(text.replace("kind: email", "kind: pigeon", 1), "utf-8")
    with pytest.raises(FormError, match=r"sections.0.fields.3.kind"):
        load_form(path)
