"""Sources that fall silent: missed after what is usual for them, told once, by name, and over with the next record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from soc.alert.episode_ends import end_episode_alerts
from soc.alert.join import Joiner
from soc.collect.habits import Habits, hour_of
from soc.collect.silence import SilenceWatch
from soc.model.register import Owner
from soc.model.scope import Scope
from soc.records.agents import AgentRow, StreamRow
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.silence import HabitRow

MONDAY = datetime(2026, 11, 23, 17, tzinfo=UTC)  # Tuesday 00:00 in Vietnam
PROVINCE = Scope.province("tests")
LOOK, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (120, 60, 3_600, 86_400))
FIREWALL, SWITCH, NEW = (f"syslog:udp:514/{ip}" for ip in ("10.8.1.1", "10.14.0.1", "10.14.0.9"))
OWNERS = {
    FIREWALL: Owner("tthcc", "HT-001", 3),
    SWITCH: Owner("sxd", "HT-031", 1),
    "file:/var/log/x": Owner("syt", "HT-013", 3),
}
NAMES = {"tthcc": "Trung tâm hành chính công", "HT-001": "Một cửa", "HT-013": "Sức khỏe"}
Speaks = Callable[[datetime], bool]


def owner_of(agent: AgentRow, stream: str) -> Owner:
    return OWNERS.get(stream, Owner(agent.agency_id, agent.system_id, 3 if agent.system_id else 0))


def names_of(owner: Owner) -> tuple[str, str]:
    return NAMES.get(owner.agency_id or "", ""), NAMES.get(owner.system_id or "", "")


@dataclass
class World:
    """Agents and their streams as the door keeps them, and a watch that looks every two minutes."""

    database: Database
    speaks: dict[tuple[str, str], Speaks] = field(default_factory=dict)
    door_is_away: Speaks = lambda _: False

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The worker starts again; only the records are left."""
        self.watch = SilenceWatch(
            self.database,
            owner_of=owner_of,
            names_of=names_of,
            is_listening=lambda now: not self.door_is_away(now),
        )

    def agent(self, name: str, *, kind: str = "endpoint", system: str | None = None) -> None:
        with self.database.write(PROVINCE) as session:
            session.add(
                AgentRow(
                    id=name, name=name, public_key=b"k", kind=kind, agency_id="syt",
                    system_id=system, enrolled_at=MONDAY,
                )
            )  # fmt: skip

    def stream(self, agent: str, name: str, incarnation: str = "a") -> None:
        with self.database.write(PROVINCE) as session:
            session.add(
                StreamRow(agent_id=agent, incarnation=incarnation, name=name, agency_id="syt")
            )

    def know(self, agent: str, stream: str) -> None:
        """Its habits are known: never more than two minutes of nothing."""
        hours = [f"{kind}{hour:02}" for kind in "we" for hour in range(24)]
        with self.database.write(PROVINCE) as session:
            session.add(
                HabitRow(
                    agent_id=agent,
                    stream=stream,
                    agency_id="syt",
                    hours={name: [120.0, MONDAY.toordinal() + 1, 30] for name in hours},
                )
            )

    def run(self, since: datetime, until: datetime, *, every: timedelta = LOOK) -> datetime:
        """Time goes by; returns where it stopped."""
        now = since
        while now < until:
            now += every
            if self.door_is_away(now):
                self.watch.look(now)
                continue
            said = [key for key, speaks in self.speaks.items() if speaks(now)]
            with self.database.write(PROVINCE) as session:
                for agent, stream in said:
                    row = session.get(AgentRow, agent)
                    assert row is not None
                    row.last_seen_at = now
                    wanted = select(StreamRow).where(
                        StreamRow.agent_id == agent, StreamRow.name == stream
                    )
                    for one in session.scalars(wanted):
                        one.last_received_at = now
            self.watch.look(now)
        return now

    def alerts(self, now: datetime, scope: Scope = PROVINCE) -> Sequence[AlertRow]:
        Joiner(self.database).join(now)
        end_episode_alerts(self.database, now)
        with self.database.session(scope) as session:
            return session.scalars(select(AlertRow).order_by(AlertRow.created_at)).all()


@pytest.fixture
def world(database: Database) -> World:
    """A relay with two devices that are known to speak all the time."""
    made = World(database)
    made.agent("relay", kind="relay")
    for name in (FIREWALL, SWITCH):
        made.stream("relay", name)
        made.know("relay", name)
    made.know("relay", "")
    made.speaks = {("relay", FIREWALL): always, ("relay", SWITCH): always}
    return made


def always(_: datetime) -> bool:
    return True


def until(moment: datetime) -> Speaks:
    return lambda now: now <= moment


def but_not(since: datetime, end: datetime) -> Speaks:
    return lambda now: not since < now <= end


STOP = MONDAY + DAY + 10 * HOUR


def test_an_input_of_a_weighty_system_is_named_within_ten_minutes(world: World):
    """By system, agency and input, as high; the relay and its other device are heard all the time."""
    world.speaks["relay", FIREWALL] = until(STOP)
    now = world.run(STOP - HOUR, STOP + 10 * MINUTE)
    (alert,) = world.alerts(now)
    assert alert.rule_id == "soc-source-silent"
    assert (alert.agency_id, alert.system_id, alert.system_level) == ("tthcc", "HT-001", 3)
    assert (alert.severity, alert.host, alert.entity) == (
        "high",
        "10.8.1.1",
        f"input:relay {FIREWALL}",
    )
    assert alert.summary.startswith(f"Không còn dữ liệu từ {FIREWALL} (relay) của Một cửa, đã")
    assert f"Nothing from {FIREWALL} (relay) of Một cửa for" in alert.summary
    assert alert.created_at - STOP <= 10 * MINUTE
    assert [one.id for one in world.alerts(now, Scope.of("tthcc"))] == [alert.id]
    assert list(world.alerts(now, Scope.of("syt"))) == []


def test_the_alert_ends_when_the_source_is_heard_again(world: World):
    """A later silence is a new alert that follows it; a worker that starts again tells nothing twice."""
    again = STOP + 3 * HOUR
    world.speaks["relay", FIREWALL] = lambda now: now <= STOP or again < now <= again + 2 * HOUR
    now = world.run(STOP - HOUR, STOP + HOUR)
    world.restart()
    now = world.run(now, again)
    (alert,) = world.alerts(now)
    assert alert.status == "new"
    now = world.run(now, again + HOUR)
    (alert,) = world.alerts(now)
    assert (alert.status, alert.disposition) == ("closed", "true_positive")
    assert alert.close_reason.endswith(f"Heard again at {alert.fields['soc.silence.ended']}.")
    now = world.run(now, again + 3 * HOUR)
    first, second = world.alerts(now)
    assert (second.status, second.follows_id) == ("new", first.id)


def test_a_lighter_system_is_given_longer(world: World):
    """A quarter of an hour, as medium."""
    world.speaks["relay", SWITCH] = until(STOP)
    now = world.run(STOP - HOUR, STOP + 14 * MINUTE)
    assert list(world.alerts(now)) == []
    now = world.run(now, STOP + 18 * MINUTE)
    (alert,) = world.alerts(now)
    assert (alert.severity, alert.system_id) == ("medium", "HT-031")


def test_a_quiet_relay_is_one_alert_that_names_the_systems_behind_it(world: World):
    """And none for each of its devices."""
    world.speaks = dict.fromkeys(world.speaks, until(STOP))
    now = world.run(STOP - HOUR, STOP + HOUR)
    (alert,) = world.alerts(now)
    assert alert.entity == "input:relay"
    assert alert.fields["soc.silence.systems"] == ["Một cửa"]


def test_a_source_that_rests_each_night_is_not_missed_at_night(world: World):
    """After one night; a silence by day is found, after three times what is usual there."""

    def by_day(now: datetime) -> bool:
        return (now + 7 * HOUR).hour in range(8, 17)

    world.stream("relay", NEW)
    world.speaks["relay", NEW] = by_day
    slow = 2 * LOOK
    now = world.run(MONDAY + 8 * HOUR, MONDAY + 2 * DAY + 12 * HOUR, every=slow)
    assert [one for one in world.alerts(now) if one.created_at > MONDAY + DAY + 8 * HOUR] == []
    told, noon = len(world.alerts(now)), now
    world.speaks["relay", NEW] = lambda now: by_day(now) and now <= noon
    now = world.run(noon, noon + 12 * MINUTE, every=slow)
    assert len(world.alerts(now)) == told
    now = world.run(now, noon + 20 * MINUTE, every=slow)
    assert len(world.alerts(now)) == told + 1


def test_workstations_may_be_switched_off_and_servers_may_not(world: World):
    """A machine of a system is missed by its agent; one without a system is not."""
    world.agent("may-01")
    world.agent("srv-01", system="HT-013")
    for name in ("may-01", "srv-01"):
        world.stream(name, "journal")
        world.know(name, "journal")
        world.know(name, "")
        world.speaks[name, "journal"] = until(STOP)
    now = world.run(STOP - HOUR, STOP + 2 * HOUR)
    (alert,) = world.alerts(now)
    assert (alert.entity, alert.host, alert.system_id) == ("input:srv-01", "srv-01", "HT-013")


def test_while_the_door_was_away_nobody_was_silent(world: World):
    """Nor while the whole platform was; afterwards each source is given its time anew."""
    world.door_is_away = lambda now: STOP < now <= STOP + 30 * HOUR
    now = world.run(STOP - HOUR, STOP + 31 * HOUR)
    assert list(world.alerts(now)) == []
    world.restart()
    later = now + 30 * HOUR  # nothing looked meanwhile, and nothing came
    world.speaks["relay", FIREWALL] = until(now)
    now = world.run(later, later + 4 * MINUTE)
    assert list(world.alerts(now)) == []
    now = world.run(now, later + 10 * MINUTE)
    assert [one.system_id for one in world.alerts(now)] == ["HT-001"]


def test_a_pause_that_somebody_calls_usual_is_learned(world: World):
    """Closed as permitted: the same pause on the next day is not told, one thrice as long is."""
    break_ = timedelta(minutes=40)
    world.speaks["relay", FIREWALL] = lambda now: (
        not any(STOP + n * DAY < now <= STOP + n * DAY + break_ for n in range(2))
    )
    now = world.run(STOP - HOUR, STOP + HOUR)
    (alert,) = world.alerts(now)
    with world.database.write(PROVINCE) as session:
        session.merge(alert).disposition = "benign"
    now = world.run(STOP + DAY - HOUR, STOP + DAY + HOUR)
    assert len(world.alerts(now)) == 1
    world.speaks["relay", FIREWALL] = until(STOP + 2 * DAY)
    now = world.run(STOP + 2 * DAY - HOUR, STOP + 2 * DAY + 3 * HOUR)
    assert len(world.alerts(now)) == 2


def test_an_agent_that_starts_over_is_the_same_source(world: World):
    """A reinstalled agent brings the stream in a new count; the old one is not missed."""
    world.speaks["relay", FIREWALL] = always
    now = world.run(STOP - HOUR, STOP)
    with world.database.write(PROVINCE) as session:
        old = session.get(StreamRow, ("relay", "a", FIREWALL))
        assert old is not None
        old.name = "gone"
        session.flush()
    world.stream("relay", FIREWALL, "b")
    with world.database.write(PROVINCE) as session:
        for row in session.scalars(select(StreamRow).where(StreamRow.name == "gone")):
            session.delete(row)
    now = world.run(now, STOP + HOUR)
    assert list(world.alerts(now)) == []


def test_a_revoked_agent_is_not_expected(world: World):
    """Its silence is wanted, and ends what was told before."""
    world.speaks = dict.fromkeys(world.speaks, until(STOP))
    now = world.run(STOP - HOUR, STOP + HOUR)
    assert [one.status for one in world.alerts(now)] == ["new"]
    with world.database.write(PROVINCE) as session:
        relay = session.get(AgentRow, "relay")
        assert relay is not None
        relay.revoked_at = now
    now = world.run(now, now + HOUR)
    assert [one.status for one in world.alerts(now)] == ["closed"]
    with world.database.session(PROVINCE) as session:
        assert len(session.scalars(select(SignalRow)).all()) == 1


def test_what_is_not_known_yet_is_not_believed():
    """A burst of a minute says nothing of an hour; a weighty source is missed after an hour all the same."""
    habits = Habits()
    for second in range(15):
        habits.learn(MONDAY + timedelta(seconds=second), MONDAY + timedelta(seconds=second + 1))
    assert habits.limit(MONDAY + MINUTE, 3) == HOUR
    assert habits.limit(MONDAY + MINUTE, 2) == DAY
    for second in range(15, 40):
        habits.learn(MONDAY + timedelta(seconds=second), MONDAY + timedelta(seconds=second + 1))
    assert habits.limit(MONDAY + MINUTE, 3) == 5 * MINUTE
    assert habits.limit(MONDAY + MINUTE, 0) == 15 * MINUTE


def test_an_old_pause_fades_by_half_each_day():
    """And what is kept of a source is bounded: 48 hours."""
    habits, moment = Habits(), MONDAY
    for _ in range(40):
        habits.learn(moment, moment + 40 * MINUTE)
    first = habits.limit(moment + HOUR / 2, 3)
    for day in range(1, 4):
        for n in range(40):
            at = MONDAY + day * DAY + n * timedelta(seconds=30)
            habits.learn(at, at + timedelta(seconds=30))
    later = habits.limit(MONDAY + 3 * DAY + HOUR / 2, 3)
    assert (first, later) == (2 * HOUR, 15 * MINUTE)
    for n in range(24 * 9):
        habits.learn(MONDAY + n * HOUR, MONDAY + (n + 1) * HOUR)
    assert len(habits.hours) == 48
    assert hour_of(datetime(2026, 11, 27, 17, tzinfo=UTC)) == "e00"  # Saturday here
