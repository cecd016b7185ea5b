"""Where else is it? A hash, path or name found at one agency, looked for at all others: one answer for each of them.

Two aggregations by agency and one look at the agents answer for every agency at once: who has seen it, and who has sent
anything by which it could have been seen. An agency that sent nothing is silent, which is not the same as clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from soc.errors import QueryError
from soc.model.event import EPOCH
from soc.model.scope import Scope
from soc.normalise.protection.row import HASHES
from soc.normalise.query_text import value_text
from soc.ports import EventStore
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.register import AgencyRow

WITHIN = timedelta(days=30)
HASHED = ("file", "process", "process.parent", "dll", "email.attachments.file")
PATHS = ("file.path", "process.executable", "dll.path")
NAMES = ("rule.name", "file.name", "process.name")
FEED = "event.module:edr"
MOST_AGENCIES, HOSTS_NAMED = 5_000, 20
LONGEST = 1_000
SEEN, NOT_SEEN, SILENT = "seen", "not_seen", "silent"


@dataclass(frozen=True, slots=True)
class AgencyAnswer:
    """``machines`` is how many; ``hosts`` names some of them."""

    agency_id: str
    agency_name: str
    answer: str  # seen, not_seen, silent
    machines: int = 0
    events: int = 0
    first: datetime | None = None
    last: datetime | None = None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """What was looked for, as a query, and every agency's answer: those that have seen it first."""

    value: str
    query: str
    start: datetime
    end: datetime
    answers: tuple[AgencyAnswer, ...]

    def of(self, answer: str) -> tuple[AgencyAnswer, ...]:
        return tuple(one for one in self.answers if one.answer == answer)


class SpreadDesk:
    """Looks within the caller's scope: an officer of one agency is answered for that one."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self.database, self.store = database, store

    def spread(
        self, scope: Scope, value: str, *, now: datetime, within: timedelta = WITHIN
    ) -> Spread:
        """Every agency's answer.

        Raises:
            QueryError: nothing to look for.
        """
        query, start = query_of(value), now - within
        end = now + timedelta(minutes=10)  # events of clocks that run ahead a little
        seen = self._by_agency(scope, query, start, end)
        heard = set(self._by_agency(scope, FEED, start, end, bare=True))
        agencies, speaking = self._agencies(scope, start, now.date())
        answers = [
            _answer(one, name, seen.get(one), one in heard or one in speaking)
            for one, name in agencies.items()
        ]
        order = (SEEN, SILENT, NOT_SEEN)
        answers.sort(key=lambda one: (order.index(one.answer), one.first or EPOCH, one.agency_name))
        return Spread(value, query, start, end, tuple(answers))

    def _by_agency(
        self, scope: Scope, query: str, start: datetime, end: datetime, *, bare: bool = False
    ) -> Mapping[str, Mapping[str, Any]]:
        inner = {
            "hosts": {"terms": {"field": "host.name", "size": HOSTS_NAMED}},
            "machines": {"cardinality": {"field": "host.name"}},
            "first": {"min": {"field": "@timestamp"}},
            "last": {"max": {"field": "@timestamp"}},
        }
        terms: dict[str, Any] = {"terms": {"field": "soc.agency_id", "size": MOST_AGENCIES}}
        asked = {"agencies": terms if bare else terms | {"aggs": inner}}
        found = self.store.aggregate(scope, query, asked, start=start, end=end)
        return {str(one["key"]): one for one in found["agencies"]["buckets"]}

    def _agencies(
        self, scope: Scope, start: datetime, today: date
    ) -> tuple[dict[str, str], set[str]]:
        """The agencies of the scope that exist today, and those whose own agents were heard since ``start``."""
        heard = select(AgentRow.agency_id).where(
            AgentRow.last_seen_at >= start, AgentRow.kind == "endpoint"
        )
        with self.database.session(scope) as session:
            rows = session.scalars(select(AgencyRow).order_by(AgencyRow.name)).all()
            speaking = {one for one in session.scalars(heard.distinct()) if one}
        there = {
            row.id: row.name
            for row in rows
            if scope.allows(row.id) and (row.valid_to is None or row.valid_to > today)
        }
        return there, speaking


def query_of(value: str) -> str:
    r"""What a hash, a path or a name is looked for as.

    >>> query_of("D41D8CD98F00B204E9800998ECF8427E")[:48]
    'file.hash.md5:"d41d8cd98f00b204e9800998ecf8427e"'
    >>> query_of("C:\\a.exe").split(" OR ")[0], query_of("Trojan.X").split(" OR ")[0]
    ('file.path:"C:\\\\a.exe"', 'rule.name:"Trojan.X"')
    """
    text = value.strip()
    if not text or len(text) > LONGEST:
        raise QueryError(
            "give a hash, a path or a name of up to 1,000 characters", query=value[:80]
        )
    digest = text.lower()
    if len(digest) in HASHES and re.fullmatch(r"[0-9a-f]+", digest):
        return _any((f"{owner}.hash.{HASHES[len(digest)]}" for owner in HASHED), digest)
    return _any(PATHS if re.search(r"[\\/]", text) and not _is_threat(text) else NAMES, text)


def _is_threat(text: str) -> bool:
    """Whether a slash is one of a threat's name (``Win32/Agent.X``) and not of a path."""
    return re.fullmatch(r"(?:[\w.-]+:)?[\w.-]+/[\w.!-]+", text) is not None


def _any(names: Iterable[str], value: str) -> str:
    return " OR ".join(f"{name}:{value_text(value)}" for name in names)


def _answer(
    agency_id: str, name: str, found: Mapping[str, Any] | None, is_heard: bool
) -> AgencyAnswer:
    if found is None:
        return AgencyAnswer(agency_id, name, NOT_SEEN if is_heard else SILENT)
    hosts = tuple(str(one["key"]) for one in found["hosts"]["buckets"])
    return AgencyAnswer(
        agency_id,
        name,
        SEEN,
        machines=int(found["machines"]["value"]),
        events=int(found["doc_count"]),
        first=_moment(found["first"]["value"]),
        last=_moment(found["last"]["value"]),
        hosts=tuple(sorted(hosts)),
    )


def _moment(milliseconds: float | None) -> datetime | None:
    return None if milliseconds is None else EPOCH + timedelta(milliseconds=milliseconds)
