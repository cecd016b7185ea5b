"""The mail of a bulletin to one agency: what the preview shows is what is sent, byte for byte but for its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from soc.model.bulletin import Bulletin, BulletinKind, MailKind
from soc.model.indicator import Tlp
from soc.report.bulletins.csaf import to_csaf
from soc.report.bulletins.letter import to_pdf

KINDS = {
    BulletinKind.VULNERABILITY: "Cảnh báo lỗ hổng",
    BulletinKind.MALWARE: "Cảnh báo mã độc",
    BulletinKind.PHISHING: "Cảnh báo lừa đảo",
    BulletinKind.ADVISORY: "Khuyến nghị",
    BulletinKind.DIGEST: "Bản tin định kỳ",
}
SHARING = {  # TLP 2.0 (FIRST), in the words of the console
    Tlp.RED: "Chỉ người nhận có tên, không chuyển tiếp.",
    Tlp.AMBER_STRICT: "Chỉ trong cơ quan nhận.",
    Tlp.AMBER: "Chỉ chia sẻ trong cơ quan nhận và đơn vị vận hành của mình.",
    Tlp.GREEN: "Chia sẻ trong cộng đồng cơ quan nhà nước.",
    Tlp.CLEAR: "Được công khai.",
}
SEVERITIES = {
    "": "",
    "low": "Thấp",
    "medium": "Trung bình",
    "high": "Cao",
    "critical": "Nghiêm trọng",
}
PLAIN = SMTP.clone(cte_type="7bit")  # for servers without 8BITMIME
PREFIX = {MailKind.FIRST: "", MailKind.REMINDER: "Nhắc: ", MailKind.ESCALATION: "Nhắc lần 2: "}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("soc.report.bulletins", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def mail_of(
    bulletin: Bulletin,
    *,
    number: str,
    agency: str,
    kind: MailKind,
    sender: str,
    centre: str,
    addresses: Sequence[str],
    message_id: str,
    approved_at: datetime,
    sent_at: datetime,
    portal: str = "",
) -> EmailMessage:
    """Text, HTML, the letter as PDF, and the CSAF document.

    Raises:
        ValueError: an address that is none.
    """
    shown = {
        "bulletin": bulletin, "number": number, "agency": agency, "centre": centre, "portal": portal,
        "kind": KINDS[bulletin.kind], "severity": SEVERITIES[bulletin.severity], "reminder": PREFIX[kind],
        "sharing": SHARING[bulletin.tlp], "day": f"{approved_at:%d/%m/%Y}",
        "due": f"{bulletin.due_on:%d/%m/%Y}" if bulletin.due_on else "",
    }  # fmt: skip
    mail = EmailMessage(policy=PLAIN)
    mail["Subject"] = f"{PREFIX[kind]}[{bulletin.tlp}] {number}: {bulletin.title}"
    mail["From"] = _address(sender, centre)
    mail["To"] = [_address(one) for one in addresses]
    mail["Date"] = format_datetime(sent_at)
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence notes
    mail.set_content(_environment().get_template("mail.txt").render(shown))
    mail.add_alternative(_environment().get_template("mail.html").render(shown), subtype="html")
    letter = to_pdf(bulletin, number=number, agency=agency, centre=centre, approved_at=approved_at)
    mail.add_attachment(letter, maintype="application", subtype="pdf", filename=f"{number}.pdf")
    twin = to_csaf(bulletin, number=number, centre=centre, approved_at=approved_at)
    mail.add_attachment(
        orjson.dumps(twin, option=orjson.OPT_INDENT_2),
        maintype="application",
        subtype="json",
        filename=f"{number.lower()}.json",
    )
    return mail


def _address(text: str, name: str = "") -> Address:
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain or not text.isascii():
        raise ValueError(f"not a mail address: {text!r}")
    return Address(name, local, domain)
