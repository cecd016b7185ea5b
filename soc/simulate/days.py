"""The order: a site's quarters of an hour, the attacks between them, then numbers and bytes."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date
from operator import attrgetter

from soc.simulate import desk_work, server_work
from soc.simulate.record import NUMBER, Draft, Plan, Record, chance
from soc.simulate.scenarios import planted
from soc.simulate.site import Site, site_of
from soc.simulate.working_hours import SLOT, SLOTS, at_clock, dates, presence

FIRST_NUMBER = 1_000
BY_TIME = attrgetter("at")


def days(plan: Plan) -> Iterator[Record]:
    """All records of a plan in order of time.

    Raises:
        ValueError: the plan is out of its limits, or names an attack that is not known.
    """
    site = site_of(plan)
    numbers: dict[tuple[str, str], int] = defaultdict(lambda: FIRST_NUMBER)
    for draft in heapq.merge(office(plan, site), planted(plan, site), key=BY_TIME):
        log = (draft.host, draft.log)
        numbers[log] += 1
        raw = draft.text.replace(NUMBER, str(numbers[log])).encode()
        yield Record(draft.source, raw, draft.label, draft.host, draft.at.astimezone(UTC))


def office(plan: Plan, site: Site) -> Iterator[Draft]:
    """The site's days without attacks, in order of time: a quarter of an hour is in memory."""
    for day in dates(plan):
        yield from _day(plan, site, day)


def _day(plan: Plan, site: Site, day: date) -> Iterator[Draft]:
    present = {machine: presence(plan, day, machine) for machine in site.workstations}
    for slot in SLOTS:
        start = at_clock(day, 0) + SLOT * slot
        drafts: list[Draft] = []
        visited = server_work.visited_server(start, site, chance(plan, day, "administrator", slot))
        for server in site.servers:
            dice = chance(plan, day, server.name, slot)
            drafts += server_work.quarter(
                start, server, site, dice, plan.rate, visited=server == visited
            )
        for machine, there in present.items():
            if there is not None and there.arrives < start + SLOT and start <= there.leaves:
                dice = chance(plan, day, machine.name, slot)
                drafts += desk_work.quarter(start, machine, there, site, dice, plan.rate)
        drafts.sort(key=BY_TIME)
        yield from drafts
