from __future__ import annotations

import io
import unicodedata
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from soc.errors import DeliveryError, SettingsError
from soc.records.cases import DocumentRow
from soc.records.outbox import OutboxRow
from soc.report.national.leave_rules import LeaveRule, LeaveRules, load_leave_rules
from soc.report.national.link import Message
from soc.report.national.outbox import Outbox
from soc.report.national.state_secret import DOCX
from tests.respond.builders import FACTS, PROVINCE, T, case_desk, open_case, with_alerts

RULES = LeaveRules(
    (
        LeaveRule(
            name="r",
            kinds=("mau-*",),
            recipients=("A05", "ông Bình"),
            adapters=("national_http",),
            approvers=("lead",),
            red_to=("ông Bình",),
        ),
    )
)


def message(recipient="A05", form="mau-03", approved_by="lead", subject="s", text="x", **fields):
    facts = {"form": form, "fields": fields}
    content = text.encode()
    return Message("k", recipient, subject, "a", "text/plain", content, facts, approved_by)


def docx(text):
    packed = io.BytesIO()
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = f'<w:d xmlns:w="{space}"><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:d>'
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("word/header1.xml", body)
    return Message("k", "A05", "s", "a", DOCX, packed.getvalue(), {"form": "mau-03"}, "lead")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (message("Báo X"), "'Báo X'.*not a recipient"),
        (message(form="danh-sach"), "no rule lets a danh-sach leave"),
        (message(approved_by="guest"), "guest may not approve"),
        (message(tlp="TLP:RED"), "'A05'.*named people only"),
        (message(tlp="TLP:AMBER+STRICT"), "stricter than TLP:AMBER"),
        (message(tlp="TLP:PINK"), "no TLP"),
        (message(pap="PAP:RED"), "PAP:RED"),
        (message(personal_data="yes"), "personal data"),
        (message(outline="Độ mật: TỐI MẬT"), "TỐI MẬT"),
        (message(subject="MẬT"), "stamped MẬT"),
        (message(text="Số 1\nTUYỆT MẬT\n"), "TUYỆT MẬT"),
        (message(subject=unicodedata.normalize("NFD", "MẬT")), "stamped MẬT"),
        (docx("MẬT"), "stamped MẬT"),
    ],
)
def test_what_a_rule_does_not_allow_is_refused_by_name(asked, reason):
    """And for good: no retry mends it."""
    with pytest.raises(DeliveryError, match=reason) as refused:
        RULES.check(asked, "national_http")
    assert refused.value.permanent


@pytest.mark.parametrize(
    "asked",
    [
        message(),
        message(tlp="TLP:GREEN", personal_data="no"),
        message("ông Bình", tlp="TLP:RED"),
        message(subject="BẢO MẬT THÔNG TIN", outline="ĐỔI MẬT KHẨU"),
        docx("Kế hoạch BẢO MẬT"),
    ],
)
def test_what_a_rule_allows_leaves_by_that_rule(asked):
    """A title with the word in it is no stamp."""
    assert RULES.check(asked, "national_http").name == "r"


def test_an_adapter_that_the_rule_does_not_name_carries_nothing():
    """However right the rest is."""
    with pytest.raises(DeliveryError, match="not by mail"):
        RULES.check(message(), "mail")


@given(st.binary(max_size=200))
def test_a_docx_that_cannot_be_read_does_not_leave(content):
    """Its stamp is not known."""
    with pytest.raises(DeliveryError, match="stamp is not known"):
        RULES.check(Message("k", "A05", "s", "a", DOCX, content), "national_http")


def test_a_stamped_report_stops_in_the_outbox_before_any_link_sees_it(database):
    """The row is dead and says why."""

    class Reached:
        name = "national_http"

        def send(self, message):
            raise AssertionError("it left")

    desk = case_desk(with_alerts(database))
    case_id = open_case(desk)
    desk.fill(PROVINCE, case_id, {**FACTS, "outline": "Độ mật: TỐI MẬT"}, now=T)
    document_id = desk.make_report(PROVINCE, case_id, "mau-03", now=T)
    outbox_id = desk.send_report(PROVINCE, document_id, now=T)
    Outbox(database, [Reached()]).deliver_due(T)
    with database.session(PROVINCE) as session:
        row = session.scalar(select(OutboxRow).where(OutboxRow.id == outbox_id))
        form = session.scalar(select(DocumentRow.form))
    assert (row.state, "TỐI MẬT" in row.last_error, form) == ("dead", True, "mau-03")


@pytest.mark.parametrize("text", ["- name: x", "[", "a: 1", "\x00", "- {name: x, kinds: 3}"])
def test_a_table_that_cannot_be_used_is_told_with_its_file(tmp_path, text):
    """Nothing leaves by half a table."""
    path = tmp_path / "rules.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=r"rules\.yaml"):
        load_leave_rules(path)
