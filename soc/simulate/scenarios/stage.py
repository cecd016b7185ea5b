"""What a scenario is, and what it is played on."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from soc.simulate.site import Machine, Site

ATTACKER = "203.0.113.66"  # outside; RFC 5737


@dataclass(frozen=True, slots=True)
class Scenario:
    """One attack, told as data.

    ``on`` is the role of the machine that it is about: WS or a role of servers. ``hour`` is that of the province's
    clocks; a scenario is over before midnight. ``expects`` are the ids of the shipped rules that should raise an alert.
    """

    name: str
    title: str
    title_vi: str
    techniques: tuple[str, ...]
    on: str
    hour: int
    expects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """The site, the moment at which the attack begins, and its own dice."""

    site: Site
    start: datetime
    dice: random.Random

    def after(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    def machine(self, role: str) -> Machine:
        """The machine of a role; of workstations, the last one."""
        return self.site.workstations[-1] if role == "WS" else self.site.server(role)

    def host(self, role: str) -> str:
        return self.machine(role).host
