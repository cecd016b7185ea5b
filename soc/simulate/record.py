"""What flows here: a plan, drafts of records without their numbers, and records."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

VIETNAM = timezone(timedelta(hours=7))
NUMBER = "\0"  # stands in a draft where the record's number of its host and log will be


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make up."""

    seed: int = 1
    start: date = date(2026, 11, 23)  # a Monday
    days: int = 1
    workstations: int = 50
    servers: int = 12
    rate: float = 1.0  # 1 is about 120 records of a workstation in a working day
    attacks: tuple[str, ...] = ()  # names of scenarios, each planted once a day


@dataclass(frozen=True, slots=True)
class Label:
    """One planted attack: what its records have in common."""

    run: str  # unique in a plan, e.g. 2026-11-23/log-cleared
    scenario: str
    techniques: tuple[str, ...]  # ATT&CK
    host: str
    expects: tuple[str, ...]  # ids of the shipped rules that should raise an alert


class Draft(NamedTuple):
    """A record before it has its number."""

    at: datetime  # aware
    source: str
    host: str  # fully qualified
    log: str  # whose numbers count up: a Windows channel, "audit", ""
    text: str  # with NUMBER where the number goes
    label: Label | None = None


class Record(NamedTuple):
    """A raw record, and where it comes from."""

    source: str
    raw: bytes
    label: Label | None
    host: str
    at: datetime  # UTC


def chance(plan: Plan, *about: object) -> random.Random:
    """A generator of its own for a day, a host or an attack, so that one more host changes no other.

    ``random`` turns a text into a state by SHA-512: nothing depends on the process's hash seed.
    """
    return random.Random("/".join(map(str, (plan.seed, *about))))
