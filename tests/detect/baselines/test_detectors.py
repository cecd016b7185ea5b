"""Each detection of every flow: what fires, what stays quiet, and what it says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import msgspec
import pytest

from soc.detect.baselines.detectors import FORMAT
from soc.detect.guidance import load_guidance
from soc.model.event import Event
from soc.model.own_rules import BASELINES
from soc.shipped import folder
from tests.detect.baselines.flows import START, asked, denied, detectors, event, findings, flow

MINUTE, HOUR, DAY = 60, 3_600, 86_400
V4 = ("10.14.1.{}", "203.0.113.9")
V6 = ("2001:db8:8:14::{:x}", "2001:db8:ffff::9")
Case = Callable[[], Iterator[Event]]


def wide(
    family: tuple[str, str], *, gap: float = 2, answered: bool = False, many: int = 40
) -> Iterator[Event]:
    for n in range(many):
        yield flow(n * gap, family[0].format(250), family[0].format(n + 1), 445, answered=answered)


def deep(family: tuple[str, str], *, answered: bool = False) -> Iterator[Event]:
    for port in range(1, 70):
        yield flow(port, family[1], family[0].format(5), port, answered=answered)


def beacon(
    family: tuple[str, str], *, jitter: float = 0.04, every: float = 300, calls: int = 20
) -> Iterator[Event]:
    chance, at = random.Random(7), 0.0
    for _ in range(calls):
        at += every * (1 + chance.uniform(-jitter, jitter))
        yield flow(at, family[0].format(7), family[1], 443, sent=chance.choice([512, 518]))


def browsing(family: tuple[str, str]) -> Iterator[Event]:
    """A person at a page: bursts, pauses, the same address all day."""
    chance, at = random.Random(3), 0.0
    for _ in range(200):
        at += chance.choice([1, 2, 3, 40, 200, 900, 2_400])
        yield flow(at, family[0].format(8), family[1], 443, sent=chance.randrange(300, 90_000))


def volumes(today: int, *, usual: int = 200_000_000, days: int = 7) -> Iterator[Event]:
    for day in range(days):
        for _ in range(4):
            yield flow(
                day * DAY, "10.14.1.7", "203.0.113.9", 443, sent=usual // 4 + day * 1_000_000
            )
    for part in range(10):
        yield flow(days * DAY + part * MINUTE, "10.14.1.7", "198.51.100.8", 443, sent=today // 10)


def tunnel(*, length: int = 40, many: int = 200) -> Iterator[Event]:
    chance = random.Random(5)
    for n in range(many):
        label = "".join(chance.choices("abcdefghijklmnop234567", k=length))
        yield asked(n * 5, "10.14.1.9", f"{label}.t.evil.example")


def made_up(*, there: bool = False, words: bool = False) -> Iterator[Event]:
    chance = random.Random(6)
    for n in range(60):
        label = (
            f"trangtin{n}"
            if words
            else "".join(chance.choices("bcdfghjklmnpqrstvwxz0123456789", k=14))
        )
        yield asked(n * 20, "10.14.1.9", f"{label}.com", there=there)


def spread(*, known: bool = False) -> Iterator[Event]:
    yield flow(0, "10.14.1.3", "10.14.1.200", 445)
    if known:
        for n in range(15):
            yield flow(n * 60, "10.14.1.3", f"10.14.1.{n + 1}", 445)
    for n in range(15):
        yield flow(2 * DAY + n * 60, "10.14.1.3", f"10.14.1.{n + 1}", 445)


def dhcp(after: float, server: str) -> Event:
    fields = {
        "event.dataset": "sensor.dhcp",
        "sensor.dhcp.type": "offer",
        "source.ip": server,
        "observer.hostname": "s1",
    }
    return event(datetime.fromtimestamp(START.timestamp() + after, START.tzinfo), fields)


def router(after: float, server: str) -> Event:
    fields = {
        "event.dataset": "sensor.icmp",
        "event.action": "router_advertisement",
        "source.ip": server,
        "observer.hostname": "s1",
    }
    return event(datetime.fromtimestamp(START.timestamp() + after, START.tzinfo), fields)


def firsts(what: str, *, first: bool = True, **more: object) -> Iterator[Event]:
    """Three weeks of the same, and then something else."""
    for day in range(21):
        yield there(day * DAY, what, "VN", **more)
    yield there(21 * DAY, what, "KP" if first else "VN", **more)


def there(after: float, what: str, where: str, **more: object) -> Event:
    if what == "domain":
        return asked(after, "10.14.1.9", f"www.{where.lower()}.example", **more)  # type: ignore[arg-type]
    value: object = where if what == "geo.country_iso_code" else len(where) + ord(where[0])
    return flow(after, "10.14.1.9", "203.0.113.77", 443, **({f"destination.{what}": value} | more))  # type: ignore[arg-type]


FIRES: dict[str, tuple[str, Case]] = {
    "refused by every machine": ("soc-scan-wide", lambda: wide(V4)),
    "the same by IPv6": ("soc-scan-wide", lambda: wide(V6)),
    "denied by the firewall": (
        "soc-scan-wide", lambda: (denied(n * 3, "203.0.113.9", f"10.14.1.{n}", 22) for n in range(1, 40)),
    ),
    "many ports of a machine": ("soc-scan-deep", lambda: deep(V4)),
    "the same ports by IPv6": ("soc-scan-deep", lambda: deep(V6)),
    "a try every ten minutes": ("soc-scan-slow", lambda: wide(V4, gap=600, many=100)),
    "every five minutes": ("soc-beacon", lambda: beacon(V4)),
    "every five minutes by IPv6": ("soc-beacon", lambda: beacon(V6)),
    "every two hours, a little early or late": ("soc-beacon", lambda: beacon(V4, every=7_200, jitter=0.1, calls=30)),
    "ten times as much as on other days": ("soc-volume-out", lambda: volumes(3_000_000_000)),
    "very much by an unknown machine": ("soc-volume-out", lambda: volumes(30_000_000_000, days=0)),
    "data in names": ("soc-dns-tunnel", tunnel),
    "domains of a generator": ("soc-dns-made-up", made_up),
    "fifteen machines for the first time": ("soc-spread", spread),
    "a second DHCP server": ("soc-rogue-server", lambda: iter([dhcp(0, "10.14.1.1"), dhcp(2 * DAY, "10.14.1.66")])),
    "a country after three weeks": ("soc-first-country", lambda: firsts("geo.country_iso_code")),
    "a network after three weeks": ("soc-first-network", lambda: firsts("as.number")),
    "a domain after three weeks": ("soc-first-domain", lambda: firsts("domain")),
    "a second router": ("soc-rogue-server", lambda: iter([router(0, "fe80::1"), router(2 * DAY, "fe80::66")])),
}  # fmt: skip
QUIET: dict[str, Case] = {
    "a monitoring server that is answered": lambda: wide(V4, answered=True, many=200),
    "a few machines that are switched off": lambda: wide(V4, many=20),
    "a service with many ports": lambda: deep(V4, answered=True),
    "a try an hour": lambda: wide(V4, gap=3_600, many=60),
    "a person at a page": lambda: browsing(V4),
    "a person at a page by IPv6": lambda: browsing(V6),
    "a loose timer": lambda: beacon(V4, jitter=0.6),
    "too short a time": lambda: beacon(V4, every=30, calls=15),
    "a regular call inside": lambda: beacon(("10.14.1.{}", "10.8.1.5")),
    "a service that everybody calls": lambda: iter(
        sorted(
            (flow(n * 300 + m, f"10.14.1.{m}", "203.0.113.9", 443) for n in range(20) for m in range(1, 30)),
            key=lambda one: one.observed_at,
        )
    ),
    "a day like the others": lambda: volumes(260_000_000),
    "long names, but few": lambda: tunnel(many=40),
    "many short names": lambda: tunnel(length=5),
    "generated names that exist": lambda: made_up(there=True),
    "typing errors of words": lambda: made_up(words=True),
    "machines that it always reaches": lambda: spread(known=True),
    "the country of every day": lambda: firsts("geo.country_iso_code", first=False),
    "a new country that never answered": lambda: firsts("geo.country_iso_code", answered=False),
    "a domain that is not there": lambda: firsts("domain", there=False),
    "the same DHCP server": lambda: (dhcp(n * HOUR, "10.14.1.1") for n in range(60)),
    "both routers known from the first day": lambda: (router(n * HOUR, f"fe80::{n % 2 + 1}") for n in range(60)),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "case"), FIRES.values(), ids=FIRES)
def test_it_is_found_once(rule: str, case: Case):
    found = findings(case())
    assert [one.rule.id for one in found] == [rule]


@pytest.mark.parametrize("case", QUIET.values(), ids=QUIET)
def test_it_is_not_found(case: Case):
    assert [(one.rule.id, one.en) for one in findings(case())] == []


def test_a_beacon_is_explained_in_numbers():
    (found,) = findings(beacon(V4))
    numbers = found.numbers
    assert found.entity == "source.ip:10.14.1.7"
    assert numbers["calls"] == 12
    assert 290 < float(str(numbers["interval_seconds"])) < 310
    assert 0 < float(str(numbers["jitter"])) < 0.05
    assert found.en.startswith("10.14.1.7 called 203.0.113.9:443 12 times, ")
    assert found.vi.startswith("10.14.1.7 gọi 203.0.113.9:443 12 lần, cách nhau ")


def test_the_signal_says_whose_it_is_and_is_the_same_again():
    first, second = (findings(wide(V4))[0].signal() for _ in range(2))
    assert first == second
    assert (first.agency_id, first.system_id, first.system_level) == ("sxd", "HT-011", 3)
    assert first.fields["soc.baseline.tried"] == 30
    assert "30 machines on tcp/445" in str(first.fields["message"])
    assert "30 máy ở cổng tcp/445" in str(first.fields["message"])


@pytest.mark.parametrize(
    "name", [name for name in FIRES if "server" not in name and "router" not in name]
)
def test_the_order_of_arrival_within_two_minutes_does_not_matter(name: str):
    """The same rule for the same machine, from a handful of shuffles."""
    rule, case = FIRES[name]
    events = list(case())
    for seed in range(5):
        chance = random.Random(seed)
        late = sorted(events, key=lambda one: one.observed_at.timestamp() + chance.uniform(0, 120))
        found = findings(late)
        assert [one.rule.id for one in found] == [rule]
        assert found[0].entity == findings(events)[0].entity


@pytest.mark.parametrize("name", FIRES)
def test_a_restart_at_any_event_changes_nothing(name: str):
    events = list(FIRES[name][1]())
    whole = [one.signal() for one in findings(events)]
    for stop in range(0, len(events), max(len(events) // 7, 1)):
        before, after = detectors(), detectors()
        found = findings(events[:stop], before)
        after.load(before.dump())
        found += findings(events[stop:], after)
        assert [one.signal() for one in found] == whole


def test_two_devices_that_see_the_same_call_count_it_once():
    """And a firewall's start and end of it."""
    calls = list(beacon(V4, calls=11))
    twice = [one for call in calls for one in (call, call)]
    assert findings(twice) == []


@pytest.mark.parametrize(
    "name",
    [
        "refused by every machine",
        "many ports of a machine",
        "data in names",
        "domains of a generator",
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_counts_within_a_time_are_found_in_any_order_of_arrival(name: str, seed: int):
    """Backwards, and shuffled: a relay that was cut off ships an hour late."""
    rule, case = FIRES[name]
    events = list(case())
    random.Random(seed).shuffle(events)
    for late in (events, sorted(events, key=lambda one: one.observed_at, reverse=True)):
        assert [one.rule.id for one in findings(late)] == [rule]


def test_findings_of_one_machine_and_moment_are_told_apart():
    """A scanner tries two ports of each machine at once; a machine that starts calls two addresses."""
    scans = [
        flow(n, "10.14.1.9", f"10.14.1.{n + 20}", port, answered=False)
        for n in range(40)
        for port in (445, 3389)
    ]
    calls = [
        flow(n * 300, "10.14.1.7", to, 443)
        for n in range(15)
        for to in ("203.0.113.9", "198.51.100.9")
    ]
    for events, rule in ((scans, "soc-scan-wide"), (calls, "soc-beacon")):
        found = findings(events)
        assert [one.rule.id for one in found] == [rule, rule]
        assert len({one.signal().id for one in found}) == 2


def test_a_private_address_of_two_agencies_is_two_machines():
    """Half a scan in each of two communes' 192.168.1.0/24 is no scan; nor do two beacons blur one another."""

    def of(agency: str, events: Iterator[Event]) -> list[Event]:
        return [replace(one, agency_id=agency) for one in events]

    home = ("192.168.1.{}", "203.0.113.9")
    halves = list(wide(home, many=50))
    mixed = of("xa-a", iter(halves[:25])) + of("xa-b", iter(halves[25:]))
    assert findings(mixed) == []
    two = of("xa-a", beacon(home)) + of(
        "xa-b", (flow(n * 170, "192.168.1.7", "203.0.113.9", 443) for n in range(1, 40))
    )
    two.sort(key=lambda one: one.observed_at)
    found = [one.signal() for one in findings(two)]
    assert {one.agency_id for one in found} == {"xa-a", "xa-b"}
    assert len({one.id for one in found}) == 2


def test_an_outside_scanner_of_many_agencies_is_one_scanner():
    events = [
        replace(denied(n * 3, "203.0.113.9", f"198.51.100.{n}", 22), agency_id=f"xa-{n % 9}")
        for n in range(1, 40)
    ]
    assert [one.rule.id for one in findings(events)] == ["soc-scan-wide"]


def test_every_detection_has_words_and_guidance():
    """In both languages, with a technique that the table of guidance knows."""
    table = load_guidance([folder("rules")])
    assert {rule for rule, _ in FIRES.values()} == {one.id for one in BASELINES}
    for one in BASELINES:
        assert one.title
        assert one.title_vi
        guidance = table.row(one.technique, {})
        assert guidance.row != "any"
        assert len(guidance.checks) == 3


def test_the_state_of_another_form_and_a_damaged_one_are_said():
    one = detectors()
    halves = (
        msgspec.msgpack.encode([FORMAT, {"scan": wrong}]) for wrong in (1, [], [[0, [[1]]], 2], {})
    )
    for damaged in (b"", b"\xff\xff", b"\x92\x63\x80", b"x" * 100, *halves):
        with pytest.raises(ValueError, match="cannot be read"):
            one.load(damaged)


@pytest.mark.parametrize(
    "fields",
    [
        {"source.ip": "not an address", "destination.ip": "x" * 9_000, "event.type": ["connection"]},
        {"source.ip": ["10.0.0.1"], "destination.ip": "10.0.0.2", "event.type": ["connection"]},
        {"source.ip": "10.0.0.1", "destination.ip": "10.0.0.2", "event.type": "connection"},
        {"source.ip": "10.0.0.1", "destination.ip": "203.0.113.1", "event.type": ["connection"],
         "source.bytes": -5, "destination.port": "x", "event.duration": float("inf")},
        {"source.ip": "10.0.0.1", "dns.question.name": "." * 300, "dns.response_code": 3},
        {"source.ip": "10.0.0.1", "dns.question.name": "\x00\ud800.\u202e.com"},
        {"source.ip": "10.0.0.1", "dns.question.name": ".arpa"},
    ],
)  # fmt: skip
def test_odd_values_end_in_nothing(fields: dict[str, object]):
    one = detectors()
    for n in range(3):
        at = datetime.fromtimestamp(START.timestamp() + n, START.tzinfo)
        assert findings([event(at, dict(fields))], one) == []
    again = detectors()
    again.load(one.dump())


def test_a_known_machine_that_scans_many_agencies_is_one_scan():
    """The register's addresses are one network; an unknown private address is another machine in each agency."""
    nine = [replace(one, agency_id=f"a{n % 9}") for n, one in enumerate(wide(V6))]
    assert [one.rule.id for one in findings(nine)] == ["soc-scan-wide"]
    nine = [replace(one, agency_id=f"a{n % 9}") for n, one in enumerate(wide(V4))]
    assert findings(nine) == []


def test_a_machine_that_tells_its_own_questions_needs_no_address():
    """Sysmon and the DNS client of Windows say the host; the alert is about it."""
    told = []
    for one in tunnel():
        fields = {name: value for name, value in one.fields.items() if name != "source.ip"}
        told.append(replace(one, fields=fields | {"host.name": "may-07.so.example"}, host="may-07"))
    (found,) = findings(told)
    assert (found.rule.id, found.entity) == ("soc-dns-tunnel", "host:may-07")
    assert (
        findings([replace(one, host="", fields={**one.fields, "host.name": ""}) for one in told])
        == []
    )
