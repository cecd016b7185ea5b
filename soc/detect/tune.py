"""Which exception would remove the most noise of a rule and lose no confirmed alert."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from soc.normalise.fields import is_known
from soc.normalise.folding import fold

TELLING = (
    *("user.name", "host.name", "process.executable", "process.command_line"),
    *("process.parent.executable", "process.parent.command_line", "process.name"),
    *("source.ip", "source.user.name", "destination.ip", "destination.port", "destination.domain"),
    *("file.path", "file.name", "registry.path", "dns.question.name", "url.path", "url.domain"),
    *("user_agent.original", "service.name", "event.code", "winlog.event_data.ServiceName"),
    *("winlog.event_data.TargetUserName", "winlog.event_data.SubjectUserName"),
)
"""Fields that an exception may well name, beside those that the rule matched on."""
NEVER = ("event.id", "@timestamp", "event.created", "event.ingested", "event.count", "agent.id")
LONGEST_VALUE = 300
MOST_PAIRED = 24  # single conditions that are tried in pairs
LEAST = 2  # matches; an exception for one match is no rule of life


@dataclass(frozen=True, slots=True)
class Seen:
    """A match of the rule: its event's fields, and whether its alert was closed as true."""

    fields: Mapping[str, Any]
    confirmed: bool
    whole: bool = True  # False: the event may have had other fields, and any value in them


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Conditions that must all hold (field, value), and how many matches without a confirmed alert they hide."""

    where: tuple[tuple[str, str], ...]
    hides: int
    of: int


def suggestions(seen: Sequence[Seen], *, most: int = 5) -> list[Suggestion]:
    """The best exceptions, the one that hides the most first; none that would hide a confirmed match.

    One condition, or two where one alone would hide a confirmed match. Of two that hide the same matches the one
    with fewer conditions stays, and of these the longer value, which is the narrower one. Values are folded, as
    exceptions compare them.
    """
    noise = [number for number, one in enumerate(seen) if not one.confirmed]
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    confirmed: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number, one in enumerate(seen):
        for pair in _pairs(one.fields):
            (confirmed if one.confirmed else places)[pair].add(number)
    in_part = [number for number, one in enumerate(seen) if one.confirmed and not one.whole]
    for pair in places if in_part else ():
        confirmed_too = {number for number in in_part if pair[0] not in seen[number].fields}
        if confirmed_too:
            confirmed[pair] |= confirmed_too
    clean = {pair: hit for pair, hit in places.items() if pair not in confirmed}
    found: list[tuple[tuple[tuple[str, str], ...], set[int]]]
    found = [((pair,), hit) for pair, hit in clean.items() if len(hit) >= LEAST]
    mixed = sorted(
        (pair for pair, hit in places.items() if pair in confirmed and len(hit) >= LEAST),
        key=lambda pair: (-len(places[pair]), pair),
    )[:MOST_PAIRED]
    for first, second in combinations(mixed, 2):
        if first[0] != second[0] and not confirmed[first] & confirmed[second]:
            both = places[first] & places[second]
            if len(both) >= LEAST:
                found.append(((first, second), both))
    found.sort(key=lambda each: (-len(each[1]), len(each[0]), -_length(each[0]), each[0]))
    kept: dict[frozenset[int], Suggestion] = {}
    for where, hit in found:
        kept.setdefault(frozenset(hit), Suggestion(where, len(hit), len(noise)))
    return list(kept.values())[:most]


def _pairs(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if name in NEVER or not is_known(name):
            continue
        for one in _texts(value):
            if 0 < len(one) <= LONGEST_VALUE:
                yield name, one


def _texts(value: Any) -> Iterable[str]:
    values = value if isinstance(value, list) else [value]
    return {
        fold(str(one)) for one in values if isinstance(one, str | int) and not isinstance(one, bool)
    }


def _length(where: tuple[tuple[str, str], ...]) -> int:
    return sum(len(value) for _, value in where)


def narrowed(matched: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth looking at of an event: the fields that matched, and those that tell harmless from harmful."""
    return {**{name: event[name] for name in TELLING if name in event}, **matched}
