"""Attacks to plant: one module, one scenario. How to add one: docs/how-to-add/a-scenario.md.

A module has ``SCENARIO`` and ``play(stage)``, which yields the attack's drafts in any order.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache
from operator import attrgetter

from soc.simulate.record import Draft, Label, Plan, chance
from soc.simulate.scenarios.stage import Scenario, Stage
from soc.simulate.site import Site
from soc.simulate.working_hours import at_clock, dates

Play = Callable[[Stage], Iterator[Draft]]


@lru_cache(maxsize=1)
def scenarios() -> dict[str, tuple[Scenario, Play]]:
    """Every scenario of this folder by its name."""
    found: dict[str, tuple[Scenario, Play]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name != "stage":
            scene = importlib.import_module(f"{__name__}.{module.name}")
            found[scene.SCENARIO.name] = (scene.SCENARIO, scene.play)
    return dict(sorted(found.items()))


def scenario_names() -> tuple[str, ...]:
    return tuple(scenarios())


def planted(plan: Plan, site: Site) -> Iterator[Draft]:
    """The drafts of the plan's attacks, labelled, in order of time.

    Raises:
        ValueError: a name that is not known.
    """
    known = scenarios()
    unknown = [name for name in plan.attacks if name not in known]
    if unknown:
        raise ValueError(f"no scenario {', '.join(unknown)} (known: {', '.join(known)})")
    return _planted(plan, site)


def _planted(plan: Plan, site: Site) -> Iterator[Draft]:
    for day in dates(plan):
        drafts = [draft for name in plan.attacks for draft in _run(plan, site, day, name)]
        yield from sorted(drafts, key=attrgetter("at"))
        del drafts  # before those of the next day are made


def _run(plan: Plan, site: Site, day: date, name: str) -> Iterator[Draft]:
    scenario, play = scenarios()[name]
    dice = chance(plan, day, "attack", name)
    start = at_clock(day, scenario.hour, dice.randrange(40))
    stage = Stage(site=site, start=start, dice=dice)
    drafts = sorted(play(stage), key=attrgetter("at"))
    host = stage.host(scenario.on)
    label = Label(f"{day}/{name}", name, scenario.techniques, host, scenario.expects)
    for draft in drafts:
        yield draft._replace(label=label)
