"""When people work: 7:30 to 17:00 in Vietnam, lunch from 11:30 to 13:00, little at the weekend."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from soc.simulate.record import VIETNAM, Plan, chance
from soc.simulate.site import Machine

SLOT = timedelta(minutes=15)
SLOTS = range(96)
LUNCH = (time(11, 30), time(13, 0))
SATURDAY = 5


class Presence(NamedTuple):
    """One person's working day."""

    arrives: datetime
    leaves: datetime


def dates(plan: Plan) -> Iterator[date]:
    for number in range(plan.days):
        yield plan.start + timedelta(days=number)


def at_clock(day: date, hour: int, minute: int = 0) -> datetime:
    """A time of the province's clocks.

    >>> at_clock(date(2026, 11, 23), 7, 30).isoformat()
    '2026-11-23T07:30:00+07:00'
    """
    return datetime.combine(day, time(hour, minute), VIETNAM)


def presence(plan: Plan, day: date, machine: Machine) -> Presence | None:
    """When the person of a workstation is there; None for one who is away (7 of 100; at weekends 97)."""
    dice = chance(plan, day, machine.name, "presence")
    if dice.random() < (0.97 if day.weekday() >= SATURDAY else 0.07):
        return None
    arrives = at_clock(day, 7, 30) + timedelta(minutes=dice.gauss(0, 9))
    leaves = at_clock(day, 17) + timedelta(minutes=dice.expovariate(1 / 15))
    return Presence(arrives, min(leaves, at_clock(day, 22)))


def liveliness(moment: datetime) -> float:
    """How much is done at a time of a working day: 1 at the desks, a fifth over lunch."""
    return 0.2 if LUNCH[0] <= moment.astimezone(VIETNAM).time() < LUNCH[1] else 1.0
