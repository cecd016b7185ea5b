"""Files of indicators: the good lines are taken, the others named by place."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.detect.indicators.files import DAYS_IN_FORCE, Defaults, read_csv, read_file
from soc.detect.indicators.stix import read_bundle
from soc.errors import IndicatorError
from soc.model.indicator import Indicator, Kind, Tlp

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
DEFAULTS = Defaults("NCSC", NOW)
TLP2_RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
TLP1_GREEN = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"


def values(indicators: list[Indicator]) -> list[tuple[Kind, str]]:
    return [(one.kind, one.value) for one in indicators]


def test_a_table_says_what_it_says_and_the_rest_comes_from_the_defaults():
    text = (
        "# cảnh báo 26/11\nvalue;kind;level;tlp;expires_at;note\n"
        '203.0.113.7;ip-dst;critical;TLP:RED;2026-12-01;"máy chủ; điều khiển"\nxau[.]example;;;;;\n'
    )
    first, second = read_csv("a.csv", text, DEFAULTS).indicators
    assert first == Indicator(
        Kind.IP, "203.0.113.7", "NCSC", datetime(2026, 12, 1, tzinfo=UTC), NOW, "critical",
        Tlp.RED, "máy chủ; điều khiển",
    )  # fmt: skip
    assert second.expires_at == NOW + timedelta(days=DAYS_IN_FORCE[Kind.DOMAIN])
    assert (second.level, second.tlp) == ("high", Tlp.AMBER)


def test_a_plain_list_needs_no_header():
    read = read_csv("a.txt", "203.0.113.7\nhxxp://xau[.]example/a,b\n", DEFAULTS)
    assert (Kind.IP, "203.0.113.7") in values(read.indicators)


def test_bad_lines_are_named_and_the_others_taken():
    text = (
        "value,kind,level,tlp,expires_at\n1.2.3.4,,,,\nkhông phải,,,,\n1.2.3.5,số,,,\n1.2.3.6,,dữ,,\n"
        "1.2.3.7,,,PURPLE,\n1.2.3.8,,,,mai\n1.2.3.9,,,,2020-01-01\n1.2.3.10,,,,\n"
    )
    read = read_csv("a.csv", text, DEFAULTS)
    assert [one.value for one in read.indicators] == ["1.2.3.4", "1.2.3.10"]
    assert [problem.split(": ")[0] for problem in read.refused] == [
        f"a.csv:{n}" for n in range(3, 9)
    ]
    assert read.refusals == 6


def test_an_unknown_column_is_said_before_anything_is_taken():
    with pytest.raises(IndicatorError, match="unknown columns mức; there are value, kind"):
        read_csv("a.csv", "value,mức\n1.2.3.4,cao\n", DEFAULTS)


def bundle(*objects: dict[str, Any]) -> bytes:
    return json.dumps({"type": "bundle", "objects": list(objects)}).encode()


def indicator(pattern: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": "indicator--1", "pattern_type": "stix",
        "pattern": pattern, "valid_from": "2026-11-20T00:00:00Z",
    } | more  # fmt: skip


def test_each_comparison_of_a_pattern_is_an_indicator():
    pattern = (
        "[ipv4-addr:value = '203.0.113.7' OR domain-name:value IN ('xau.example', 'te.example')] OR "
        "[file:hashes.'SHA-256' = '" + "ab" * 32 + "'] OR [url:value = 'http://xau.example/it\\'s']"
    )
    read = read_bundle("b.json", bundle(indicator(pattern, name="Botnet")), DEFAULTS)
    assert read.refused == []
    assert sorted(values(read.indicators)) == [
        (Kind.DOMAIN, "te.example"),
        (Kind.DOMAIN, "xau.example"),
        (Kind.HASH, "ab" * 32),
        (Kind.IP, "203.0.113.7"),
        (Kind.URL, "xau.example/it's"),
    ]
    assert {one.note for one in read.indicators} == {"Botnet"}
    assert {one.valid_from for one in read.indicators} == {datetime(2026, 11, 20, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[ipv4-addr:value = '1.2.3.4' AND domain-name:value = 'a.example']", "several things"),
        ("[ipv4-addr:value = '1.2.3.4'] FOLLOWEDBY [ipv4-addr:value = '1.2.3.5']", "several"),
        ("[ipv4-addr:value = '1.2.3.4'] REPEATS 5 TIMES", "several things"),
        ("[ipv4-addr:value NOT = '1.2.3.4']", "several things"),
        ("[ipv4-addr:value != '1.2.3.4']", "compares ipv4-addr:value by !="),
        ("[process:name = 'a.exe']", "compares process:name"),
        ("[ipv4-addr:value = 'AND']", "not a value of the kind ip"),
        ("[ipv4-addr:value = ", "cannot be read"),
        ("[a" * 6_000, "over 10000 characters"),
    ],
)
def test_a_pattern_that_is_more_than_a_value_is_refused_by_its_id(pattern: str, reason: str):
    good = indicator("[ipv6-addr:value = '2001:db8::7']", id="indicator--2")
    read = read_bundle("b.json", bundle(indicator(pattern), good), DEFAULTS)
    assert values(read.indicators) == [(Kind.IP, "2001:db8::7")]
    assert reason in read.refused[0]
    assert read.refused[0].startswith("b.json: indicator--1: ")


def test_the_strictest_marking_holds():
    red = {
        "type": "marking-definition", "id": TLP2_RED, "name": "TLP:RED",
        "extensions": {"extension-definition--60a3": {"tlp_2_0": "red"}},
    }  # fmt: skip
    marked = indicator("[ipv4-addr:value = '1.2.3.4']", object_marking_refs=[TLP1_GREEN, TLP2_RED])
    (one,) = read_bundle("b.json", bundle(marked, red), DEFAULTS).indicators
    assert one.tlp == Tlp.RED
    (one,) = read_bundle("b.json", bundle(marked), DEFAULTS).indicators
    assert one.tlp == Tlp.GREEN


def test_what_was_revoked_or_is_another_object_is_passed_over():
    objects = (
        indicator("[ipv4-addr:value = '1.2.3.4']", revoked=True),
        {"type": "malware", "id": "m"},
    )
    read = read_bundle("b.json", bundle(*objects), DEFAULTS)
    assert (read.indicators, read.refused) == ([], [])


@pytest.mark.parametrize(
    "content", [b"{", b'{"objects": 5}', b"{}", b'\xef\xbb\xbf{"a": 1', b"\xff"]
)
def test_a_file_that_is_none_is_refused_as_a_whole(tmp_path: Path, content: bytes):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(IndicatorError, match="x: "):
        read_file(path, DEFAULTS)


@given(st.binary(max_size=300))
def test_any_bytes_end_in_indicators_or_refusals(tmp_path_factory: Any, content: bytes):
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(content)
    with suppress(IndicatorError):
        read = read_file(path, DEFAULTS)
        assert read.refusals == len(read.refused)
