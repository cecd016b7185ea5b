"""Values as warnings write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.detect.indicators.values import read_value
from soc.errors import IndicatorError
from soc.model.indicator import Kind

SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("203.0.113.7", Kind.IP, "203.0.113.7"),
        (" 203[.]0[.]113[.]7 ", Kind.IP, "203.0.113.7"),
        ("203.0.113.7/32", Kind.IP, "203.0.113.7"),
        ("::ffff:203.0.113.7", Kind.IP, "203.0.113.7"),
        ("2001:DB8::7", Kind.IP, "2001:db8::7"),
        ("203.0.113.77/24", Kind.NETWORK, "203.0.113.0/24"),
        ("2001:db8::/32", Kind.NETWORK, "2001:db8::/32"),
        ("Xau[.]Example.", Kind.DOMAIN, "xau.example"),
        ("*.xau.example", Kind.DOMAIN, "xau.example"),
        ("cảnh-báo.example", Kind.DOMAIN, "xn--cnh-bo-tta3502d.example"),
        ("hxxps[:]//xau[.]example:443/A?b=C#d", Kind.URL, "xau.example/A?b=C"),
        ("http://xau.example:8080", Kind.URL, "xau.example:8080/"),
        ("xau.example/tai-ve", Kind.URL, "xau.example/tai-ve"),
        (SHA256.upper(), Kind.HASH, SHA256),
        ("d41d8cd98f00b204e9800998ecf8427e", Kind.HASH, "d41d8cd98f00b204e9800998ecf8427e"),
        ("Ke.Gian[@]XAU.example", Kind.EMAIL, "ke.gian@xau.example"),
        ("t13d1516h2_8daaf6152771_b0da82dd1658", Kind.JA4, "t13d1516h2_8daaf6152771_b0da82dd1658"),
    ],
)
def test_a_value_has_one_form(written: str, kind: Kind, value: str):
    assert read_value(written) == (kind, value)
    assert read_value(written, kind) == (kind, value)
    assert read_value(value) == (kind, value)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("", None),
        ("localhost", None),
        ("một câu có dấu cách", None),
        ("0.0.0.0/0", None),
        ("10.0.0.0/7", None),
        ("xau.example", Kind.IP),
        ("203.0.113.7", Kind.DOMAIN),
        ("a\x00.example", None),
        ("x" * 3_000, None),
        ("http://[::1", None),
        ("e3b0c442", Kind.HASH),
    ],
)
def test_what_is_no_indicator_is_refused_with_the_value(written: str, kind: Kind | None):
    with pytest.raises(IndicatorError) as caught:
        read_value(written, kind)
    assert str(caught.value)


@given(st.text(max_size=200), st.sampled_from([None, *Kind]))
def test_any_text_is_a_value_or_an_error(text: str, kind: Kind | None):
    try:
        found, value = read_value(text, kind)
    except IndicatorError:
        return
    assert read_value(value, found) == (found, value)
