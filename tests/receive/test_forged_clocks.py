"""A forged clock hides no planted attack, and a delay is no skew: from records on the wire to alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from sqlalchemy import select

from collectors.agent import wire
from soc.alert.episode_ends import end_episode_alerts
from soc.alert.join import Joiner
from soc.cli.agents import text
from soc.cli.doctor import wrong_clocks
from soc.detect.correlation.worker import Correlator
from soc.detect.judge import judge
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack, correlations_of
from soc.flow import Flow, Rules
from soc.model.event import CLOCK_OFFSET
from soc.receive.batches import decode
from soc.receive.clocks import Known, measured, offsets_of
from soc.records.agents import AgentRow
from soc.records.alerts import AlertRow
from soc.records.clocks import ClockEpisodeRow
from soc.records.correlations import CorrelationEntryRow
from soc.records.database import Database
from tests.receive.builders import INCARNATION, NOW, PROVINCE, LogStore, Sender, a_flow, a_sender

RULES = Path(__file__).parent / "clock_rules.yml"
BRUTE, SEQUENCE = "c1000000-0000-4000-8000-000000000003", "c1000000-0000-4000-8000-000000000004"
CLOCK = "soc-clock-wrong"
Clock = Callable[[datetime], datetime]
DAY, HOUR, MINUTE, SECOND = (timedelta(seconds=n) for n in (86_400, 3_600, 60, 1))
MIDDLE = NOW + 3.5 * SECOND  # of the attack


def jump(by: timedelta, start: datetime = MIDDLE, end: datetime | None = None) -> Clock:
    return lambda t: t + by if t >= start and (end is None or t < end) else t


FORGED: dict[str, Clock] = {
    "right": lambda t: t,
    "a day behind": lambda t: t - DAY,
    "ten years ahead": lambda t: t + 3_652 * DAY,
    "nine minutes ahead": lambda t: t + 9 * MINUTE,
    "gains a second in a minute": lambda t: t + (t - NOW + HOUR) / 60,
    "loses a second in a minute": lambda t: t - (t - NOW + HOUR) / 60,
    "set back a day in the middle": jump(-DAY),
    "set ten years ahead in the middle": jump(3_652 * DAY),
    "set back a day and then right again": jump(-DAY, MIDDLE, MIDDLE + 4 * SECOND),
    "a day behind, set right in the middle": lambda t: t if t >= MIDDLE else t - DAY,
}


@lru_cache(maxsize=1)
def the_pack() -> Pack:
    pack = compile_pack([RULES], mapping="ecs")
    assert (pack.refused, pack.cannot_match) == ([], [])
    return pack


class Site:
    """A flow with real rules, the correlator and the joiner; records are sent by the agents' own bytes."""

    def __init__(self, database: Database, folder: Path) -> None:
        pack = the_pack()
        matcher = Matcher(pack)
        rules = Rules(matcher.digest, lambda events: judge(matcher, events))
        self.database, self.store = database, LogStore(folder / "events.jsonl")
        self.flow: Flow = a_flow(database, self.store, rules=rules)
        self.correlator = Correlator(database, lambda: correlations_of(pack))
        self.sequences: dict[str, int] = {}

    def send(
        self, who: Sender, lines: Sequence[tuple[datetime, str]], *, at: datetime, clock: Clock, stream: str
    ) -> None:  # fmt: skip
        """``lines`` are what was collected when, by our clock; ``clock`` is what the agent takes for the time."""
        first = self.sequences.get(who.row.id, 0) + 1
        self.sequences[who.row.id] = first + len(lines) - 1
        header = wire.Header(
            INCARNATION, who.row.name, "UTC", us(clock(at)), [wire.StreamName(stream, "syslog")]
        )
        records = [
            wire.WireRecord(wire.RECORD, 0, number, us(clock(when)), text.encode())
            for number, (when, text) in enumerate(lines, first)
        ]
        batch = decode(wire.encode_batch(header, records), who.row)
        batch.heard_at = at
        self.flow.take([batch], at)

    def alerts(self, now: datetime) -> dict[str, AlertRow]:
        self.correlator.work(now)
        self.correlator.prune(now)
        Joiner(self.database).join(now)
        end_episode_alerts(self.database, now)
        with self.database.session(PROVINCE) as session:
            return {row.rule_id: row for row in session.scalars(select(AlertRow))}


def us(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def failed(when: datetime, host: str) -> str:
    return f"<38>1 {when.isoformat()} {host} sshd 7 - - Failed password for root from 203.0.113.9 port 42 ssh2"


def accepted(when: datetime, host: str) -> str:
    return f"<38>1 {when.isoformat()} {host} sshd 7 - - Accepted password for root from 203.0.113.9 port 42 ssh2"


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
    return Site(database, tmp_path)


@pytest.fixture
def liar(database: Database) -> Sender:
    return a_sender(database, "ag-liar")


@pytest.fixture
def other(database: Database) -> Sender:
    return a_sender(database, "ag-other")


ATTACK = [NOW + n * SECOND for n in range(8)]  # failures on the one host; then a success on another
THEN = NOW + 9 * SECOND
DELIVERY = [
    pytest.param(1, id="record by record", marks=pytest.mark.slow),
    pytest.param(4, id="in two pieces"),
    pytest.param(8, id="in one piece", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("late", [timedelta(0), 3 * HOUR], ids=["at once", "hours late"])
@pytest.mark.parametrize("pieces", DELIVERY)
@pytest.mark.parametrize("clock", FORGED.values(), ids=FORGED)
def test_a_forged_clock_of_a_host_hides_no_attack(
    site: Site, liar: Sender, other: Sender, clock: Clock, pieces: int, late: timedelta
):
    """Failures on the host that lies, then a success on a host that does not, within two minutes of our time."""
    where = {"stream": "file:/var/log/auth.log", "clock": clock}
    site.send(liar, [], at=NOW - HOUR, **where)
    for start in range(0, 8, pieces):
        some = ATTACK[start : start + pieces]
        lines = [(when, failed(clock(when), "may01")) for when in some]
        site.send(liar, lines, at=some[-1] + late + SECOND, **where)
    right = {"stream": "file:/var/log/auth.log", "clock": FORGED["right"]}
    site.send(other, [(THEN, accepted(THEN, "srv02"))], at=THEN + SECOND, **right)
    assert {BRUTE, SEQUENCE} <= site.alerts(THEN + late + MINUTE).keys()


@pytest.mark.parametrize("late", [timedelta(0), 3 * HOUR], ids=["at once", "hours late"])
@pytest.mark.parametrize("clock", FORGED.values(), ids=FORGED)
def test_a_forged_clock_of_a_device_hides_no_attack(
    site: Site, liar: Sender, other: Sender, clock: Clock, late: timedelta
):
    """The same through a relay whose own clock is right: all that is known is when it got each message."""
    where = {"stream": "syslog:udp:514", "clock": FORGED["right"]}
    for some in (ATTACK[:4], ATTACK[4:]):
        lines = [(when, failed(clock(when), "fw01")) for when in some]
        site.send(liar, lines, at=some[-1] + late + SECOND, **where)
    site.send(other, [(THEN, accepted(THEN, "srv02"))], at=THEN + SECOND, **where)
    assert {BRUTE, SEQUENCE} <= site.alerts(THEN + late + MINUTE).keys()


@pytest.mark.parametrize("time", ["-", "2026-02-31T25:61:61Z", "0000-00-00T00:00:00Z", "x"])
@pytest.mark.parametrize("clock", [FORGED["right"], FORGED["ten years ahead"]])
def test_a_missing_or_impossible_time_hides_no_attack(
    site: Site, liar: Sender, other: Sender, time: str, clock: Clock
):
    """It is the time of collection then, by the collector's clock corrected."""
    text = failed(NOW, "fw01").replace(NOW.isoformat(), time)
    for stream in ("syslog:tcp:514", "file:/var/log/auth.log"):
        lines = [(when, text) for when in ATTACK[:4]]
        site.send(liar, lines, at=ATTACK[-1], stream=stream, clock=clock)
    right = {"stream": "file:/var/log/auth.log", "clock": FORGED["right"]}
    site.send(other, [(THEN, accepted(THEN, "srv02"))], at=THEN + SECOND, **right)
    assert {BRUTE, SEQUENCE} <= site.alerts(THEN + MINUTE).keys()


def test_a_delay_is_no_skew(site: Site, liar: Sender, database: Database):
    """A day and three offline behind a right clock: nothing is corrected, and no clock is told of."""
    where = {"stream": "file:/var/log/auth.log", "clock": FORGED["right"]}
    lines = [(when, failed(when, "may01")) for when in ATTACK]
    for at in (NOW + DAY, NOW + 3 * DAY):
        half = lines[:4] if at == NOW + DAY else lines[4:]
        site.send(liar, half, at=at, **where)
        alerts = site.alerts(at + MINUTE)
    assert not any(CLOCK_OFFSET in event.fields for event in site.store.events())
    assert alerts.keys() == {BRUTE}  # though the halves came two days apart


def test_a_device_that_comes_late_is_not_said_to_lie(site: Site, liar: Sender):
    """A buffer that empties is late by less and less; a clock that is behind stays behind."""
    where = {"stream": "syslog:tcp:514", "clock": FORGED["right"]}
    for minute in range(5):
        at = NOW + minute * MINUTE
        written = NOW - HOUR + 12 * minute * MINUTE
        site.send(liar, [(at, failed(written, "fw01"))], at=at, **where)
    assert CLOCK not in site.alerts(NOW + 5 * MINUTE)
    for minute in range(5, 8):
        at = NOW + minute * MINUTE
        site.send(liar, [(at, failed(at - DAY, "fw02"))], at=at, **where)
    assert site.alerts(NOW + 9 * MINUTE)[CLOCK].entity == "host:fw02"


def test_a_wrong_clock_is_one_alert_that_ends_when_the_clock_is_right(
    site: Site, liar: Sender, database: Database
):
    """Once for each host and episode, in Vietnamese and English; the agents' list has the offset."""
    where = {"stream": "file:/var/log/auth.log"}
    wrong, right = FORGED["a day behind"], FORGED["right"]
    for minute in range(3):
        at = NOW + minute * MINUTE
        site.send(liar, [(at, "words")], at=at, clock=wrong, **where)
        alert = site.alerts(at)[CLOCK]
        assert (alert.status, alert.signals, alert.entity) == ("new", 1, "host:host-of-ag-liar")
    assert alert.title_vi == "Đồng hồ sai lệch từ mười phút trở lên"
    assert "chậm 1 ngày" in alert.summary
    assert "1 d 00:00:00 behind" in alert.summary
    with database.session(PROVINCE) as session:
        (row,) = session.scalars(select(AgentRow).where(AgentRow.id == "ag-liar"))
        assert row.clock_offset_seconds == -86_400
        assert "clock -86400 s" in text(row)
        (said,) = wrong_clocks(session)
        assert "host-of-ag-liar" in said
        assert "-86400 s" in said
    site.send(liar, [(NOW + HOUR, "words")], at=NOW + HOUR, clock=right, **where)
    with database.session(PROVINCE) as session:
        assert list(wrong_clocks(session)) == []
    alert = site.alerts(NOW + HOUR)[CLOCK]
    assert (alert.status, alert.disposition) == ("closed", "true_positive")
    restarted = Site(database, site.store.path.parent)
    restarted.sequences = site.sequences
    restarted.send(liar, [(NOW + 2 * HOUR, "words")], at=NOW + 2 * HOUR, clock=wrong, **where)
    again = restarted.alerts(NOW + 2 * HOUR)[CLOCK]
    assert (again.status, again.signals, again.follows_id) == ("new", 1, alert.id)
    with database.session(PROVINCE) as session:
        episodes = session.scalars(select(ClockEpisodeRow).order_by(ClockEpisodeRow.began_at))
        assert [one.ended_at for one in episodes] == [NOW + HOUR, None]


def test_an_alert_that_somebody_has_taken_is_not_closed_by_itself(site: Site, liar: Sender):
    """It only says since when the clock is right."""
    where = {"stream": "file:/var/log/auth.log"}
    site.send(liar, [(NOW, "words")], at=NOW, clock=FORGED["ten years ahead"], **where)
    site.alerts(NOW)
    with site.database.write(PROVINCE) as session:
        for row in session.scalars(select(AlertRow)):
            row.status = "acknowledged"
    site.send(liar, [(NOW + HOUR, "words")], at=NOW + HOUR, clock=FORGED["right"], **where)
    alert = site.alerts(NOW + HOUR)[CLOCK]
    assert alert.status == "acknowledged"
    assert alert.fields["soc.clock.right_since"] == "2026-11-22T04:00:00Z"


def test_a_rule_may_name_the_time_it_runs_on(site: Site, liar: Sender, database: Database):
    """``custom: time``: the source's, ours, or the arrival."""
    clock = FORGED["a day behind"]
    line = (NOW, failed(clock(NOW), "may01"))
    site.send(liar, [line], at=NOW + MINUTE, stream="file:/var/log/auth.log", clock=clock)
    with database.session(PROVINCE) as session:
        at = {
            row.correlation_id[-1]: row.at for row in session.scalars(select(CorrelationEntryRow))
        }
    assert at == {"3": us(NOW), "4": us(NOW), "5": us(NOW - DAY), "6": us(NOW + MINUTE)}


def test_a_reader_cannot_say_how_far_a_clock_is_off(site: Site, liar: Sender):
    """That field is ours alone."""
    liar_says = f'{{"@timestamp": "{NOW.isoformat()}", "{CLOCK_OFFSET}": 86400, "message": "x"}}'
    header = wire.Header(INCARNATION, "may01", "UTC", us(NOW), [wire.StreamName("f", "json_lines")])
    record = wire.WireRecord(wire.RECORD, 0, 1, us(NOW), liar_says.encode())
    site.flow.take([decode(wire.encode_batch(header, [record]), liar.row)], NOW)
    (event,) = site.store.events()
    assert event.corrected_at == NOW


@pytest.mark.parametrize("sent", [-(2**63), 2**63, 10**30, 0])
@pytest.mark.parametrize("collected", [0, 2**64 - 1])
def test_no_number_on_the_wire_stops_the_flow(site: Site, liar: Sender, sent: int, collected: int):
    """Impossible clocks are clocks too."""
    header = wire.Header(INCARNATION, "may01", "UTC", sent, [wire.StreamName("f", "syslog")])
    record = wire.WireRecord(wire.RECORD, 0, 1, collected, failed(NOW, "may01").encode())
    (receipt,) = site.flow.take([decode(wire.encode_batch(header, [record]), liar.row)], NOW)
    assert (receipt.events, receipt.set_aside) == (1, 0)
    assert site.store.events()[0].corrected_at <= NOW + 3 * SECOND


def test_a_measurement_never_gains_by_the_way():
    """Between a request's clock and its arrival time passes: a right clock that seems 20 s slow is right."""
    assert [measured(0, -20_000_000), measured(0, -31_000_000)] == [0, -31_000_000]
    assert measured(5, 6) == 6


def test_jumps_add_up():
    """Set back by an hour, and forward again: each record has the offset of its time; a pause is not a jump."""
    h = 3_600_000_000
    assert offsets_of([0, h, h, 4 * h], Known(0, 0, 4 * h, 0)) is None
    assert offsets_of([5 * h, 4 * h, 4 * h, 5 * h + 1, 9 * h], Known(0, 0, 9 * h, 0)) == [
        0,
        -h,
        -h,
        0,
        0,
    ]
