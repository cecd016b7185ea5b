"""Exceptions at work: which of them hold for an event, judged by the same matcher as rules."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from soc.detect.atoms import MANY, Atom, Node, folded
from soc.detect.automata import build
from soc.detect.facts import RuleFacts
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, PackField
from soc.errors import RuleError
from soc.model.event import Event, Signal
from soc.model.exception import How, RuleException, Where
from soc.normalise.fields import is_known

REMEMBERED = timedelta(days=30)  # after its end: what it would have hidden says so
ENDED = "soc.exception.ended"
MOST_VALUES = 10_000


def read_where(text: str) -> Where:
    """``field=value``, ``field|contains=one,two``; a comma within a value is written ``\\,``.

    Raises:
        RuleError: no such field or comparison, or no value.

    >>> read_where("process.command_line|contains=veeam,robocopy")
    Where(field='process.command_line', how=<How.CONTAINS: 'contains'>, values=('veeam', 'robocopy'))
    """
    name, equals, written = text.partition("=")
    field, _, how = name.strip().partition("|")
    hint = "as user.name=svc-backup or process.command_line|contains=veeam"
    if not equals or not field:
        raise RuleError(f"not a condition: {text!r}", path="--where", hint=hint)
    if not is_known(field):
        raise RuleError(f"no event has the field {field}", path="--where", hint=hint)
    if how and how not in list(How):
        raise RuleError(f"a comparison is one of {', '.join(How)}, not {how}", path="--where")
    values = [one.replace("\0", ",").strip() for one in written.replace("\\,", "\0").split(",")]
    return checked(Where(field, How(how or "equals"), tuple(value for value in values if value)))


def checked(where: Where) -> Where:
    """The condition, if it can be judged.

    Raises:
        RuleError: no values, too many, or not networks.
    """
    if not 0 < len(where.values) <= MOST_VALUES:
        raise RuleError(f"{where.field} needs 1 to {MOST_VALUES} values", path="--where")
    if where.how is How.CIDR:
        for value in where.values:
            try:
                ipaddress.ip_network(value, strict=False)
            except ValueError as error:
                raise RuleError(f"not a network: {value}", path="--where") from error
    return where


class Exceptions:
    """A picture of the exceptions at one time; a change is a new one."""

    def __init__(self, exceptions: Iterable[RuleException] = ()) -> None:
        self._by_rule: dict[str, list[RuleException]] = {}
        every = list(exceptions)
        for one in every:
            self._by_rule.setdefault(one.rule_id, []).append(one)
        self._matcher = Matcher(_pack(every)) if every else None

    @property
    def empty(self) -> bool:
        return self._matcher is None

    def mark(
        self, signals: Sequence[Signal], events: Sequence[Event], *, at: datetime | None = None
    ) -> list[Signal]:
        """The signals, those that an exception holds for with its id; an ended one is only told.

        In force is what was in force at an event's arrival, or at the time ``at``.
        """
        if self._matcher is None or not any(one.rule_id in self._by_rule for one in signals):
            return list(signals)
        by_id = {event.id: event for event in events}
        return [self._marked(one, by_id[one.event_id], at) for one in signals]

    def _marked(self, signal: Signal, event: Event, at: datetime | None) -> Signal:
        hidden, ended = self.holding(
            *(signal.rule_id, event.fields, signal.agency_id, signal.system_id),
            at or event.received_at,
        )
        if hidden:
            return replace(signal, excepted_by=hidden)
        return replace(signal, fields={**signal.fields, ENDED: ended}) if ended else signal

    def holding(
        self,
        rule_id: str,
        fields: Mapping[str, Any],
        agency_id: str | None,
        system_id: str | None,
        now: datetime,
    ) -> tuple[str, str]:
        """Ids of the exception in force that holds, and of one that ended in the last 30 days; "" for none."""
        named = [
            one
            for one in self._by_rule.get(rule_id, ())
            if one.agency_id in (None, agency_id) and one.system_id in (None, system_id)
        ]
        if not named or self._matcher is None:
            return "", ""
        with self._matcher.lock:
            true = set(self._matcher.match(fields))
        held = [one for one in named if one.id in true and one.starts_at <= now]
        hidden = next((one.id for one in held if now < one.expires_at), "")
        remembered = (one.id for one in held if now < one.expires_at + REMEMBERED)
        return hidden, "" if hidden else next(remembered, "")


def _pack(exceptions: Sequence[RuleException]) -> Pack:
    """Each exception as a rule without a log source."""
    atoms: dict[str, dict[Atom, int]] = {}
    pack = Pack(digest="exceptions", mapping="ecs")
    for one in sorted(exceptions, key=lambda each: each.id):
        pack.rules[one.id] = _facts(one.id)
        pack.conditions[one.id] = ("and", tuple(_node(where, atoms) for where in one.where))
    for name, numbers in atoms.items():
        held = tuple(numbers)
        pack.fields[name] = PackField(held, *build(held))
    return pack


def _node(where: Where, atoms: dict[str, dict[Atom, int]]) -> Node:
    known = atoms.setdefault(where.field, {})
    numbers = [known.setdefault(_atom(where.how, value), len(known)) for value in where.values]
    return ("or", tuple(("atom", where.field, number) for number in numbers))


def _atom(how: How, value: str) -> Atom:
    text = folded(value)
    match how:
        case How.CIDR:
            return Atom("cidr", str(ipaddress.ip_network(value, strict=False)))
        case How.CONTAINS:
            return Atom("like", (MANY, text, MANY))
        case How.STARTSWITH:
            return Atom("like", (text, MANY))
        case How.ENDSWITH:
            return Atom("like", (MANY, text))
    return Atom("equals", text)


def _facts(key: str) -> RuleFacts:
    return RuleFacts(key, key, "", "", "", "", "", "", (), (), (), {}, "", "", "", "")
