"""A bulletin's file is read, or refused with every problem named."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.errors import FormError
from soc.model.bulletin import Audience, BulletinKind
from soc.model.indicator import Tlp
from soc.report.bulletins.written import digest, from_plain, load_bulletin, read_bulletin, to_plain

VPN = """---
kind: vulnerability
title: Lỗ hổng thiết bị VPN biên, đang bị khai thác
tlp: TLP:AMBER
severity: critical
due_on: 2026-11-30
cves: [CVE-2026-12345, CVE-2026-12346]
products: ["Hãng X VPN, bản ≤ 7.4.2"]
summary: Lỗ hổng cho phép chiếm quyền thiết bị VPN từ Internet mà không cần mật khẩu.
actions:
  - Nâng cấp lên bản 7.4.3 trở lên.
  - "Nếu chưa nâng cấp được: tắt cổng quản trị phía Internet."
references: [https://nvd.nist.gov/vuln/detail/CVE-2026-12345]
indicators: [203.0.113.7, xau.example]
audience: {everybody: true}
---
Đoạn một, có <b>dấu ngoặc</b> & #[mã].

. một dòng bắt đầu bằng dấu chấm
"""


def test_a_file_becomes_a_bulletin_and_is_kept_as_it_is():
    made = read_bulletin(VPN.encode(), "vpn.md")
    assert (made.kind, made.tlp, made.due_on) == (
        BulletinKind.VULNERABILITY,
        Tlp.AMBER,
        date(2026, 11, 30),
    )
    assert made.cves == ("CVE-2026-12345", "CVE-2026-12346")
    assert made.audience == Audience(everybody=True)
    assert made.body.startswith("Đoạn một")
    assert made.body.endswith("dấu chấm")
    assert from_plain(to_plain(made)) == made
    assert len(digest(to_plain(made))) == 64
    windows = read_bulletin(VPN.replace("\n", "\r\n").encode(), "vpn.md")
    assert windows.actions == made.actions


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: vulnerability", "kind: rumour", "kind"),
        ("tlp: TLP:AMBER", "tlp: TLP:PURPLE", "tlp"),
        ("title: Lỗ", "titel: Lỗ", "titel"),
        ("CVE-2026-12345,", "CVE-26-1,", "cves.0"),
        ("due_on: 2026-11-30", "due_on: 30/11/2026", "due_on"),
        ("{everybody: true}", "{}", "audience"),
        ("{everybody: true}", "{everybody: true, levels: [3]}", "audience"),
        ("{everybody: true}", "{levels: [7]}", "audience.levels.0"),
        ("tlp: TLP:AMBER", "tlp: TLP:RED", "TLP:RED is for named agencies"),
        ("Đoạn một", "TỐI MẬT\n\nĐoạn một", "state secrets"),
        ("https://nvd", "javascript://nvd", "references.0"),
        ("summary: Lỗ", "summary: [Lỗ", "not YAML"),
        ("---\nkind", "kind", "between two lines of ---"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str):
    with pytest.raises(FormError) as refused:
        read_bulletin(VPN.replace(old, new, 1).encode(), "vpn.md")
    assert said in str(refused.value)
    assert "vpn.md" in str(refused.value)


def test_a_password_is_no_state_secret():
    assert read_bulletin(VPN.replace("Đoạn một", "ĐỔI MẬT KHẨU NGAY").encode(), "v").body


def test_a_vulnerability_names_a_cve_or_a_product():
    text = VPN.replace("cves: [CVE-2026-12345, CVE-2026-12346]\n", "").replace(
        'products: ["Hãng X VPN, bản ≤ 7.4.2"]\n', ""
    )
    with pytest.raises(FormError, match="names a CVE or a product"):
        read_bulletin(text.encode(), "v")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormError, match=r"no-such\.md"):
        load_bulletin(tmp_path / "no-such.md")


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: f"---\n{text}\n---\n".encode(errors="replace"))
)
def test_any_bytes_are_a_bulletin_or_a_refusal(raw: bytes):
    try:
        assert read_bulletin(raw, "x").title
    except FormError:
        return
