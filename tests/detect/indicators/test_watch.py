"""What an event holds, what is held back, and what that costs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from soc.detect.indicators.values import read_value
from soc.detect.indicators.warning_lists import WarningLists
from soc.detect.indicators.watch import OURS, Watch
from soc.errors import SettingsError
from soc.model.event import Event, Fields
from soc.model.indicator import Indicator, Kind

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
BAD_HASH = "ab" * 32


def indicator(text: str, **more: object) -> Indicator:
    kind, value = read_value(text)
    made = Indicator(kind, value, "NCSC", NOW + timedelta(days=30), NOW)
    return replace(made, **more)  # type: ignore[arg-type]


def event(fields: Fields, **more: object) -> Event:
    made = Event("t", NOW, fields, b"", id="e", received_at=NOW, agency_id="a1", host="may01")
    return replace(made, **more)  # type: ignore[arg-type]


def held(watch: Watch, fields: Fields) -> list[str]:
    return [hit.indicator.value for hit in watch.hits(event(fields)) if not hit.held_back]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("45.33.32.156", {"destination.ip": "45.33.32.156"}),
        ("45.33.32.156", {"dns.resolved_ip": ["1.2.3.4", "45.33.32.156"]}),
        ("45.33.32.156", {"url.domain": "45.33.32.156"}),
        ("45.33.32.0/24", {"source.ip": "::ffff:45.33.32.9"}),
        ("2a01:7e00::/29", {"source.ip": "2A01:7E01:0::1"}),
        ("xau.example", {"dns.question.name": "a.b.XAU.example."}),
        ("xau.example", {"tls.client.server_name": "xau.example"}),
        ("xau.example", {"url.full": "https://www.xau.example/tai"}),
        ("http://xau.example/tai?x=1", {"url.original": "HTTP://Xau.example:80/tai?x=1#y"}),
        (BAD_HASH, {"process.hash.sha256": BAD_HASH.upper()}),
        (BAD_HASH, {"file.hash.sha256": [BAD_HASH]}),
        ("ke@xau.example", {"email.from.address": ["Ke@Xau.example"]}),
        ("t13d1516h2_8daaf6152771_b0da82dd1658", {"suricata.eve.tls.ja4": "t13d1516h2_8daaf6152771_b0da82dd1658"}),
    ],
)  # fmt: skip
def test_an_event_that_holds_the_value_is_found(text: str, fields: Fields):
    assert held(Watch([indicator(text)]), fields) == [indicator(text).value]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("45.33.32.156", {"destination.ip": "45.33.32.15"}),
        ("45.33.32.0/24", {"destination.ip": "45.33.33.1"}),
        ("xau.example", {"dns.question.name": "khongxau.example"}),
        ("xau.example", {"dns.question.name": "xau.example.vn"}),
        ("http://xau.example/tai", {"url.full": "http://xau.example/tai2"}),
        ("http://xau.example/tai", {"dns.question.name": "xau.example"}),
        (BAD_HASH, {"message": BAD_HASH}),
        ("45.33.32.156", {"destination.ip": 45, "url.domain": "", "source.ip": ["x", None]}),
    ],
)
def test_an_event_that_does_not_is_not(text: str, fields: Fields):
    assert held(Watch([indicator(text)]), fields) == []


def test_an_indicator_is_told_once_for_an_event():
    watch = Watch([indicator("45.33.32.156"), indicator("45.33.32.0/24")])
    fields: Fields = {"source.ip": "45.33.32.156", "destination.ip": "45.33.32.156"}
    assert sorted(held(watch, fields)) == ["45.33.32.0/24", "45.33.32.156"]


def test_an_expired_one_stops_at_its_minute():
    ends = NOW + timedelta(minutes=5)
    watch = Watch([indicator("45.33.32.156", expires_at=ends)])
    fields: Fields = {"source.ip": "45.33.32.156"}
    before, at = ends - timedelta(microseconds=1), ends
    assert len(watch.hits(event(fields, received_at=before))) == 1
    assert watch.hits(event(fields, received_at=at)) == []


def test_one_for_an_agency_is_for_no_other():
    watch = Watch([indicator("45.33.32.156", agency_id="a1")])
    fields: Fields = {"source.ip": "45.33.32.156"}
    assert len(watch.hits(event(fields))) == 1
    assert watch.hits(event(fields, agency_id="a2")) == []
    assert watch.hits(event(fields, agency_id=None)) == []


@pytest.mark.parametrize(
    ("text", "address", "why"),
    [
        ("8.8.8.8", "8.8.8.8", "public DNS resolvers"),
        ("8.8.8.0/24", "8.8.8.8", "public DNS resolvers"),
        ("10.1.0.0/16", "10.1.2.3", "IANA special purpose"),
        ("113.160.0.0/16", "113.160.7.7", OURS),
    ],
)
def test_a_resolver_or_an_address_of_ours_never_alerts_by_itself(text: str, address: str, why: str):
    watch = Watch([indicator(text)], ours=lambda one: one.startswith("113.160.7."))
    (hit,) = watch.hits(event({"destination.ip": address}))
    assert why in hit.held_back
    assert (
        Watch([indicator("45.33.32.156")]).hits(event({"source.ip": "45.33.32.156"}))[0].held_back
        == ""
    )


def test_the_rest_of_a_network_around_a_resolver_still_alerts():
    watch = Watch([indicator("8.8.8.0/24")])
    assert held(watch, {"destination.ip": "8.8.8.77"}) == ["8.8.8.0/24"]


def write_list(folder: Path, name: str, kind: str, values: list[str], attribute: str) -> None:
    (folder / name).mkdir(parents=True)
    content = {"name": name, "type": kind, "list": values, "matching_attributes": [attribute]}
    (folder / name / "list.json").write_text(json.dumps(content), "utf-8")


def test_lists_hold_back_or_only_warn(tmp_path: Path):
    write_list(tmp_path, "moz-top500", "hostname", ["lon.example"], "domain")
    write_list(tmp_path, "ovh-cluster", "cidr", ["45.33.0.0/16"], "ip-dst")
    write_list(tmp_path, "empty-hashes", "string", [BAD_HASH], "sha256")
    write_list(tmp_path, "phone_numbers", "regex", ["/(/g"], "phone-number")
    lists = WarningLists.load(tmp_path)
    texts = "a.lon.example", "45.33.32.156", BAD_HASH
    watch = Watch([indicator(text) for text in texts], lists=lists)
    fields: Fields = {
        "dns.question.name": "a.lon.example",
        "source.ip": "45.33.32.156",
        "file.hash.sha256": BAD_HASH,
    }
    hits = {hit.indicator.kind: hit for hit in watch.hits(event(fields))}
    assert hits[Kind.DOMAIN].held_back == "moz-top500"
    assert hits[Kind.HASH].held_back == "empty-hashes"
    assert (hits[Kind.IP].held_back, hits[Kind.IP].listed) == ("", "ovh-cluster")


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"name": 1}', b'{"name":"x","type":"cidr","list":["a"],"matching_attributes":["ip-dst"]}',
     b'{"name":"x","type":"odd","list":["a"],"matching_attributes":["url"]}',
     b'{"name":"x","type":"regex","list":["("],"matching_attributes":["url"]}'],
)  # fmt: skip
def test_a_broken_list_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "hong").mkdir()
    (tmp_path / "hong" / "list.json").write_bytes(content)
    with pytest.raises(SettingsError, match=r"hong/list\.json: not a warning list"):
        WarningLists.load(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="not there"):
        WarningLists.load(tmp_path / "khong-co")


def test_the_public_lists_are_read(corpus: Path):
    lists = WarningLists.load(corpus / "misp-warninglists")
    harmless = {
        value: listed is not None and listed.harmless
        for value in ("2606:4700:4700::1111", "45.33.32.156", "192.168.1.1")
        for listed in [lists.listed(Kind.IP, value)]
    }
    assert harmless == {"2606:4700:4700::1111": True, "45.33.32.156": False, "192.168.1.1": True}
    empty = lists.listed(Kind.HASH, "d41d8cd98f00b204e9800998ecf8427e")
    assert empty is not None
    assert empty.harmless
