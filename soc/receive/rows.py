"""The rows behind the ledger: inserts that leave alone what is there, for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from soc.model.event import Signal
from soc.receive.batches import to_epoch_microseconds
from soc.receive.plans import Notice, Plan, SetAside
from soc.receive.posted import PostedBatch
from soc.receive.streams import StreamKey, StreamState
from soc.records.agents import AgentRow, StreamRow
from soc.records.batches import SignalRow
from soc.records.correlations import CorrelationEntryRow, entry_row

BLIND_SPOTS_KEPT = 50


def insert_new(session: Session, row: Any, values: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose key is new; those that are there stay as they are."""
    if not values:
        return
    table: Table = row.__table__
    dialect = session.get_bind().dialect.name
    if dialect == "postgresql":
        session.execute(postgresql.insert(table).on_conflict_do_nothing(), list(values))
    else:
        session.execute(sqlite.insert(table).on_conflict_do_nothing(), list(values))


def insert_signals(session: Session, signals: Sequence[Signal]) -> None:
    """Signals for alerts, and entries for correlations; a silent signal is only the latter."""
    insert_new(session, SignalRow, [signal_values(one) for one in signals if not one.silent])
    insert_new(session, CorrelationEntryRow, [row for one in signals for row in entry_values(one)])


def put_streams(
    session: Session, changed: Mapping[StreamKey, StreamState], agents: Mapping[str, AgentRow]
) -> None:
    if not changed:
        return
    table: Table = StreamRow.__table__  # type: ignore[assignment]
    dialect = session.get_bind().dialect.name
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    keys = {column.name for column in table.primary_key}
    upsert = statement.on_conflict_do_update(
        index_elements=sorted(keys),
        set_={
            column.name: statement.excluded[column.name]
            for column in table.columns
            if column.name not in keys
        },
    )
    session.execute(upsert, [_stream_values(key, s, agents[key[0]]) for key, s in changed.items()])


def touch_agents(session: Session, plans: Sequence[Plan]) -> None:
    """Note when the agents were last heard, and what they said of themselves."""
    for agent_id, moment in {plan.batch.agent.id: plan.received_at for plan in plans}.items():
        session.execute(update(AgentRow).where(AgentRow.id == agent_id).values(last_seen_at=moment))
    for plan in plans:
        if plan.notices and (row := session.get(AgentRow, plan.batch.agent.id)) is not None:
            _note(row, plan.notices)


def _note(row: AgentRow, notices: Sequence[Notice]) -> None:
    spots = list(row.blind_spots or ())
    for notice in notices:
        row.version = notice.version[:40] or row.version
        if notice.kind == "start":
            spots = []
        elif notice.blind_spot and notice.blind_spot not in spots:
            spots = [*spots, notice.blind_spot][-BLIND_SPOTS_KEPT:]
    row.blind_spots = spots


def batch_values(plan: Plan, rules_digest: str) -> dict[str, Any]:
    return {
        "id": plan.batch.id,
        "agent_id": plan.batch.agent.id,
        "received_at": plan.received_at,
        "ranges": plan.ranges,
        "content_sha256": plan.batch.content_sha256,
        "rules_digest": rules_digest,
        "done": False,
    }


def posted_values(plan: Plan) -> list[dict[str, Any]]:
    """The ids that a sender gave the new records of its batch, with the numbers that we gave them."""
    batch = plan.batch
    if not isinstance(batch, PostedBatch):
        return []
    return [
        {
            "agent_id": batch.agent.id,
            "key": key,
            "number": number,
            "received_at": plan.received_at,
        }
        for key, number in batch.numbered().items()
    ]


def signal_values(signal: Signal) -> dict[str, Any]:
    return {
        "id": signal.id,
        "rule_id": signal.rule_id,
        "rule_title": signal.rule_title[:300],
        "level": signal.level,
        "event_id": signal.event_id,
        "observed_at": signal.observed_at,
        "received_at": signal.received_at,
        "agency_id": signal.agency_id,
        "system_id": signal.system_id,
        "system_level": signal.system_level,
        "host": signal.host[:200],
        "entity": signal.entity[:400],
        "fields": signal.fields,
        "excepted_by": signal.excepted_by,
    }


def entry_values(signal: Signal) -> list[dict[str, Any]]:
    """The rows of what a match contributes to correlations."""
    return [
        entry_row(
            part,
            key=signal.id,
            at=to_epoch_microseconds(signal.at(part.time)),
            rule_id=signal.rule_id,
            event_id=signal.event_id,
            received_at=signal.received_at,
            agency_id=signal.agency_id,
            system_id=signal.system_id,
            system_level=signal.system_level,
            host=signal.host,
        )
        for part in signal.parts
    ]


def set_aside_values(piece: SetAside) -> dict[str, Any]:
    return {
        "id": piece.id,
        "agency_id": piece.agent.agency_id,
        "agent_id": piece.agent.id,
        "incarnation": piece.incarnation,
        "stream": piece.stream,
        "sequence": piece.sequence,
        "source": piece.source,
        "reason": piece.reason,
        "reader_version": piece.reader_version,
        "raw": piece.raw,
        "host": piece.host[:200],
        "zone": piece.zone[:80],
        "received_at": piece.received_at,
    }


def _stream_values(key: StreamKey, state: StreamState, agent: AgentRow) -> dict[str, Any]:
    return {
        "agency_id": agent.agency_id,
        "agent_id": key[0],
        "incarnation": key[1],
        "name": key[2],
        "source": state.source,
        "ranges": [list(pair) for pair in state.received.pairs()],
        "losses": [[loss.first, loss.last, loss.reason] for loss in state.losses],
        "records": state.records,
        "last_received_at": state.last_received_at,
        "last_observed_at": state.last_observed_at,
    }
