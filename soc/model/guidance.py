"""What people who look at an alert need to know: what it means, what to check, when it is nothing, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Check:
    """A question that stored events answer.

    ``queries`` are search texts with places for an event's fields, as ``{host.name}``; the first of which the event
    fills every place is asked, over the time from ``before`` the alert's first event to ``after`` its last. The
    alert's own events count only where ``own`` is true.
    """

    name: str
    ask_vi: str
    ask_en: str
    queries: tuple[str, ...]
    before: timedelta
    after: timedelta
    own: bool = False


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a rule's alerts mean and what to do about them; ``row`` says where it was looked up."""

    means_vi: str
    means_en: str
    checks: tuple[Check, ...]  # three
    false_alarm_vi: str
    false_alarm_en: str
    playbook: str  # its id, which is its file's name
    row: str  # of the table, which says what the rule does not: a technique, a tactic, or "any"
