"""Signals joined into alerts by rule, entity and agency.

Which signals belong to one alert, and what the alert then says, depends on the set of signals and not on the order in
which they came: times are least and greatest, texts are those of the latest signal (by ``observed_at``, then id). A
signal that is joined after its alert was closed opens a new alert that follows the closed one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from soc.alert.priority import priority
from soc.alert.summary import summary
from soc.alert.suppression import Holding
from soc.model.alert import AlertStatus
from soc.model.own_rules import OWN_RULES
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.jobs import RuleStateRow
from soc.records.register import AssetRow

AT_ONCE = 300  # signals in one write transaction
Key = tuple[str, str, str | None]  # rule, entity, agency: a host name may exist in two agencies


class Joiner:
    """Turns unjoined signals into alerts. Repeating it is harmless: a joined signal names its alert."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def join(self, now: datetime) -> int:
        """Join what is waiting, oldest number first; returns how many signals were joined.

        Between two transactions it rests for as long as the last one took: on SQLite it shares the one write lock with
        the door, which must not wait for alerts.
        """
        joined = 0
        while True:
            began = time.monotonic()
            some = self._join_some(now)
            joined += some
            if some < AT_ONCE:
                return joined
            time.sleep(time.monotonic() - began)

    def _join_some(self, now: datetime) -> int:
        province = Scope.province()
        with self.database.session(province) as session:
            if session.scalar(_waiting().with_only_columns(SignalRow.number).limit(1)) is None:
                return 0
        with self.database.write(province) as session:
            signals = list(session.scalars(_waiting().limit(AT_ONCE)))
            _Joining(session, signals, now).join()
        return len(signals)


class _Joining:
    """One transaction's work."""

    def __init__(self, session: Session, signals: Sequence[SignalRow], now: datetime) -> None:
        self.session, self.signals, self.now = session, signals, now
        rule_ids = {signal.rule_id for signal in signals}
        self.rules, self.holding = _rule_states(session, rule_ids), Holding(session, rule_ids)
        self.criticality = _criticality(session, {signal.host for signal in signals})
        self.next_number = (session.scalar(select(func.max(AlertRow.number))) or 0) + 1

    def join(self) -> None:
        groups: dict[Key, list[SignalRow]] = defaultdict(list)
        for signal in self.holding.let_through(self.signals):
            groups[_key(signal)].append(signal)
        newest = _newest_alerts(self.session, groups) if groups else {}
        tied = self._tied(newest, groups)
        for key, signals in groups.items():
            alert = newest.get(key)
            if alert is None or alert.status == AlertStatus.CLOSED:
                alert = self._open(signals, follows=alert)
            else:
                self._extend(alert, signals, tied.get(alert.id, ""))
            for signal in signals:
                signal.alert_id = alert.id
        self._count_matches()

    def _open(self, signals: Sequence[SignalRow], *, follows: AlertRow | None) -> AlertRow:
        latest = max(signals, key=_moment)
        alert = AlertRow(
            id=f"CB-{self.next_number:06}",
            number=self.next_number,
            rule_id=latest.rule_id,
            entity=latest.entity,
            agency_id=latest.agency_id,
            status=AlertStatus.NEW,
            created_at=self.now,
            first_seen_at=min(map(_first, signals)),
            last_seen_at=latest.observed_at,
            signals=len(signals),
            system_level=0,
            priority=0,
            follows_id=None if follows is None else follows.id,
        )
        self.next_number += 1
        self._tell(alert, latest)
        self._weigh(alert, signals)
        self.session.add(alert)
        return alert

    def _extend(self, alert: AlertRow, signals: Sequence[SignalRow], tied: str) -> None:
        """``tied``: the id of the alert's latest signal, if ours may be of the same moment."""
        latest = max(signals, key=_moment)
        if alert.withdrawn_at is not None:  # nothing that it was opened for stands: it begins anew
            alert.signals = alert.priority = alert.system_level = 0
            alert.first_seen_at, alert.last_seen_at = _first(latest), latest.observed_at
            alert.withdrawn_at = None
            self._tell(alert, latest)
        elif _moment(latest) > (alert.last_seen_at, tied):
            self._tell(alert, latest)
        alert.first_seen_at = min(alert.first_seen_at, *map(_first, signals))
        alert.last_seen_at = max(alert.last_seen_at, latest.observed_at)
        alert.signals += len(signals)
        self._weigh(alert, signals)

    def _tied(
        self, newest: Mapping[Key, AlertRow], groups: Mapping[Key, Sequence[SignalRow]]
    ) -> dict[str, str]:
        """By alert, the greatest id of its signals of its latest moment, where one of ours has that moment too.

        One statement for all of them: devices that write whole seconds tie at every repetition.
        """
        moments = {
            alert.id: alert.last_seen_at
            for key, alert in newest.items()
            if any(signal.observed_at == alert.last_seen_at for signal in groups[key])
        }
        if not moments:
            return {}
        greatest = (
            select(SignalRow.alert_id, SignalRow.observed_at, func.max(SignalRow.id))
            .where(
                SignalRow.alert_id.in_(moments),
                SignalRow.observed_at.in_(set(moments.values())),
                SignalRow.withdrawn_at.is_(None),
            )
            .group_by(SignalRow.alert_id, SignalRow.observed_at)
        )
        return {
            alert_id: signal_id
            for alert_id, at, signal_id in self.session.execute(greatest)
            if alert_id is not None and moments[alert_id] == at
        }

    def _tell(self, alert: AlertRow, latest: SignalRow) -> None:
        """Give the alert the texts of its latest signal."""
        rule = self.rules.get(latest.rule_id)
        alert.title = latest.rule_title
        own = OWN_RULES.get(latest.rule_id)
        alert.title_vi = rule.title_vi if rule else own.title_vi if own else ""
        alert.severity = latest.level
        alert.host = latest.host
        alert.system_id = latest.system_id
        alert.fields = dict(latest.fields)
        alert.summary = summary(latest.fields)

    def _weigh(self, alert: AlertRow, signals: Iterable[SignalRow]) -> None:
        for signal in signals:
            alert.system_level = max(alert.system_level, signal.system_level)
            weight = priority(
                signal.level,
                criticality=self.criticality.get((signal.agency_id, signal.host.lower()), 2),
                system_level=signal.system_level,
            )
            alert.priority = max(alert.priority, weight)

    def _count_matches(self) -> None:
        for signal in self.signals:
            rule = self.rules.get(signal.rule_id)
            if rule is not None:
                rule.matches += 1
                rule.last_match_at = max(
                    rule.last_match_at or signal.observed_at, signal.observed_at
                )


def _waiting() -> Select[SignalRow]:
    return (
        select(SignalRow)
        .where(
            SignalRow.alert_id.is_(None),
            SignalRow.withdrawn_at.is_(None),
            SignalRow.excepted_by.is_(None),
            SignalRow.suppressed_by.is_(None),
        )
        .order_by(SignalRow.number)
    )


def _key(row: SignalRow | AlertRow) -> Key:
    return row.rule_id, row.entity, row.agency_id


def _first(signal: SignalRow) -> datetime:
    return signal.since or signal.observed_at


def _moment(signal: SignalRow) -> tuple[datetime, str]:
    return signal.observed_at, signal.id


def _newest_alerts(session: Session, keys: Collection[Key]) -> dict[Key, AlertRow]:
    """The open alert of each key, else the closed one with the highest number.

    Two statements whatever the keys: the first looks up every pair of a rule and an entity in the index and gives
    narrow rows, the second loads the alerts that were meant.
    """
    narrow = select(
        AlertRow.rule_id, AlertRow.entity, AlertRow.agency_id, AlertRow.status, AlertRow.number
    ).where(
        AlertRow.rule_id.in_({rule_id for rule_id, _, _ in keys}),
        AlertRow.entity.in_({entity for _, entity, _ in keys}),
    )
    best: dict[Key, tuple[bool, int]] = {}  # open before closed, then the highest number
    for rule_id, entity, agency_id, status, number in session.execute(narrow):
        key = (rule_id, entity, agency_id)
        if key in keys:
            rank = (status != AlertStatus.CLOSED, number)
            best[key] = max(best.get(key, rank), rank)
    numbers = [number for _, number in best.values()]
    rows = session.scalars(select(AlertRow).where(AlertRow.number.in_(numbers)))
    return {_key(row): row for row in rows}


def _rule_states(session: Session, rule_ids: set[str]) -> Mapping[str, RuleStateRow]:
    rows = session.scalars(select(RuleStateRow).where(RuleStateRow.rule_id.in_(rule_ids)))
    return {row.rule_id: row for row in rows}


def _criticality(session: Session, hosts: set[str]) -> Mapping[tuple[str | None, str], int]:
    """By agency and host name in small letters."""
    names = {host.lower() for host in hosts if host}
    rows = session.execute(
        select(AssetRow.agency_id, AssetRow.name, AssetRow.criticality).where(
            func.lower(AssetRow.name).in_(names)
        )
    )
    return {(agency_id, name.lower()): criticality for agency_id, name, criticality in rows}
