"""How long a source usually pauses, hour by hour, and so after how long its silence is one.

A firewall that speaks every second is missed after minutes; a machine that is switched off each evening is not missed
before a day. The hours of weekdays and of weekends are learned apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from soc.normalise.timestamps import LOCAL_OFFSET_HOURS

HOUR = timedelta(hours=1)
LONGEST = timedelta(hours=24)  # of a source whose habits are not known
AT_LEAST = {True: timedelta(minutes=5), False: timedelta(minutes=15)}  # of a weighty system or not
UNKNOWN_BUT_WEIGHTY = timedelta(hours=1)
TIMES = 3  # as long as usual, before it is said
BELIEVED_LOOKS = 20  # looks of an hour that found something, before that hour is believed
WEIGHTY_LEVEL = 3  # cấp độ, from which silence is told early and as high
SATURDAY = 5

Hour = tuple[float, int, int]  # longest pause in seconds, day it was met (ordinal), looks


@dataclass(slots=True)
class Habits:
    """Pauses by hour (see ``HabitRow.hours``)."""

    hours: dict[str, Hour] = field(default_factory=dict)

    @classmethod
    def of_row(cls, hours: Mapping[str, list[float]]) -> Habits:
        return cls({name: (one[0], int(one[1]), int(one[2])) for name, one in hours.items()})

    def plain(self) -> dict[str, list[float]]:
        return {name: list(one) for name, one in self.hours.items()}

    def learn(self, since: datetime, until: datetime) -> bool:
        """It was quiet between these two moments, and that was usual; of an older day half counts.

        Returns whether that is news.

        >>> habits, nine = Habits(), datetime(2026, 11, 25, 2)
        >>> habits.learn(nine, nine + timedelta(minutes=2)); habits.hours
        True
        {'w09': (120.0, 739945, 1)}
        """
        pause, before = (until - since).total_seconds(), dict(self.hours)
        for moment in _hours_between(max(since, until - LONGEST), until):
            name, day = hour_of(moment), _local(moment).toordinal()
            longest, met, looks = self.hours.get(name, (0.0, day, 0))
            fading = longest if met == day else longest / 2
            self.hours[name] = (max(pause, fading), day, min(looks + 1, BELIEVED_LOOKS))
        return self.hours != before

    def limit(self, now: datetime, level: int) -> timedelta:
        """After how long a silence at this moment is one, for a source of a system of this level (0: none)."""
        weighty = level >= WEIGHTY_LEVEL
        known = [one for at in (now, now - HOUR) if (one := self.hours.get(hour_of(at)))]
        believed = [pause for pause, _, looks in known if looks >= BELIEVED_LOOKS or pause > 3600]
        if not believed:
            return UNKNOWN_BUT_WEIGHTY if weighty and known else LONGEST
        usual = timedelta(seconds=max(believed))
        return min(max(TIMES * usual, AT_LEAST[weighty]), LONGEST)


def hour_of(moment: datetime) -> str:
    """The name of an hour of Vietnam's day: ``w09`` on weekdays, ``e09`` on weekends."""
    local = _local(moment)
    return f"{'e' if local.weekday() >= SATURDAY else 'w'}{local.hour:02}"


def _local(moment: datetime) -> datetime:
    return moment + timedelta(hours=LOCAL_OFFSET_HOURS)


def _hours_between(since: datetime, until: datetime) -> Iterator[datetime]:
    """One moment of each hour that the pause touches."""
    moment = since
    last = until.replace(minute=0, second=0, microsecond=0)
    while moment < last:
        yield moment
        moment = moment.replace(minute=0, second=0, microsecond=0) + HOUR
    yield until
