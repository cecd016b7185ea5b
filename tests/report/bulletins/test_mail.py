"""What leaves: the mail, its letter and the document for programs say the same, whatever the text holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4, DRAFT7

from soc.model.bulletin import Bulletin, BulletinKind, MailKind
from soc.model.indicator import Tlp
from soc.report.bulletins.csaf import to_csaf
from soc.report.bulletins.letter import to_pdf
from soc.report.bulletins.mail import mail_of
from soc.report.bulletins.written import read_bulletin
from tests.report.bulletins.test_written import VPN

AT = datetime(2026, 11, 27, 1, 40, tzinfo=UTC)
CENTRE = "Trung tâm giám sát an ninh mạng tỉnh Cửu Long"


def bulletin() -> Bulletin:
    return read_bulletin(VPN.encode(), "vpn.md")


def mail(
    one: Bulletin, kind: MailKind = MailKind.FIRST, address: str = "a@x.example"
) -> EmailMessage:
    return mail_of(
        one, number="BT-2026-0001", agency="Sở Xây dựng", kind=kind, sender="soc@tinh.example",
        centre=CENTRE, addresses=[address, "b@x.example"], message_id="<m@tinh.example>",
        approved_at=AT, sent_at=AT, portal="https://soc.tinh.example",
    )  # fmt: skip


def test_the_mail_arrives_as_it_was_written():
    raw = mail(bulletin()).as_bytes()
    assert raw.isascii()  # for servers without 8BITMIME
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    read = message_from_bytes(raw, policy=default)
    assert (
        read["Subject"] == "[TLP:AMBER] BT-2026-0001: Lỗ hổng thiết bị VPN biên, đang bị khai thác"
    )
    assert read["To"] == "a@x.example, b@x.example"
    sender = message_from_bytes(raw)[
        "From"
    ]  # the newer reader puts a space between two encoded words
    assert str(make_header(decode_header(sender))) == f"{CENTRE} <soc@tinh.example>"
    text = read.get_body(("plain",)).get_content()
    page = read.get_body(("html",)).get_content()
    for told in (
        "Sở Xây dựng",
        "CVE-2026-12346",
        "Nâng cấp lên bản 7.4.3",
        "30/11/2026",
        "xau.example",
        "https://soc.tinh.example",
    ):
        assert told in text
        assert told in page
    assert "<b>dấu ngoặc</b>" in text
    assert "&lt;b&gt;dấu ngoặc&lt;/b&gt;" in page
    names = [part.get_filename() for part in read.iter_attachments()]
    assert names == ["BT-2026-0001.pdf", "bt-2026-0001.json"]


def test_a_reminder_says_so():
    assert mail(bulletin(), MailKind.ESCALATION)["Subject"].startswith("Nhắc lần 2: [TLP:AMBER]")


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@", "@b", "a@x.example\r\nBcc: c@y", "đ@x.example"]
)
def test_an_address_that_is_none_is_refused(address: str):
    with pytest.raises(ValueError):
        mail(bulletin(), address=address)


def test_the_letter_is_the_same_bytes_for_the_same_bulletin():
    made = [
        to_pdf(
            bulletin(), number="BT-2026-0001", agency="Sở Xây dựng", centre=CENTRE, approved_at=AT
        )
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert made[0].startswith(b"%PDF")


@pytest.mark.parametrize(
    "text", ['#import "x"', "$ 1/0 $", "*a* _b_ `c` <d> @e", "x" * 3_000, '\\ # " \u202e']
)
def test_a_letter_takes_any_text_as_text(text: str):
    odd = replace(
        bulletin(), title=text[:300], body=text, actions=(text[:500],), products=(text[:500],)
    )
    assert to_pdf(odd, number="BT-2026-0001", agency=text[:200], centre=CENTRE, approved_at=AT)


def validator(corpus: Path) -> Draft202012Validator:
    """The OASIS schema; CVSS's, to which it refers, say nothing here: no bulletin has a vector yet."""
    schema = json.loads(
        (corpus / "standards" / "csaf" / "json_schema" / "csaf_json_schema.json").read_text()
    )
    empty = {
        f"https://www.first.org/cvss/cvss-v{version}.json": Resource(
            {}, DRAFT4 if version == "2.0" else DRAFT7
        )
        for version in ("2.0", "3.0", "3.1")
    }
    return Draft202012Validator(schema, registry=Registry().with_resources(empty.items()))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"cves": ()},
        {"products": (), "kind": BulletinKind.ADVISORY, "severity": ""},
        {"references": (), "body": "", "tlp": Tlp.AMBER_STRICT},
        {"tlp": Tlp.CLEAR, "severity": "low"},
    ],
)
def test_the_document_for_programs_is_valid_csaf(corpus: Path, changed: dict[str, object]):
    made = to_csaf(
        replace(bulletin(), **changed), number="BT-2026-0001", centre=CENTRE, approved_at=AT
    )
    assert list(validator(corpus).iter_errors(json.loads(json.dumps(made)))) == []


def test_the_validator_of_this_test_refuses_what_the_standard_s_tests_call_wrong(corpus: Path):
    made = to_csaf(bulletin(), number="BT-2026-0001", centre=CENTRE, approved_at=AT)
    del made["document"]["tracking"]["revision_history"]
    assert list(validator(corpus).iter_errors(made))
