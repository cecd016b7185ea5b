"""``soc rules tune``: which exception would remove the most noise of a rule."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from soc.detect.tune import Seen
    from soc.ports import EventStore
    from soc.records.database import Database

MOST_MATCHES = 5_000
DAYS = 90


def command(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Suggest exceptions for a rule: those that would hide the most of its matches and no confirmed alert.

    The rule's matches of the last 90 days are looked at. Each suggestion is a command for a person to read and give.

    Example: soc rules tune 5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c10
    """
    from soc.cli.opening import site_database
    from soc.detect.tune import suggestions
    from soc.site import load_settings
    from soc.site.events import open_store

    database, store = site_database(), open_store(load_settings(), writable=False)
    try:
        seen = list(_seen(database, store, rule))
    finally:
        store.close()
    found = suggestions(seen)
    for one in found:
        if json:
            import orjson

            plain = {"where": one.where, "hides": one.hides, "of": one.of}
            typer.echo(orjson.dumps(plain).decode())
            continue
        where = " ".join(
            f"--where {shlex.quote(f'{name}={value}'.replace(',', chr(92) + ','))}"
            for name, value in one.where
        )
        typer.echo(f"hides {one.hides} of {one.of} matches that were not confirmed:")
        typer.echo(f'  soc exceptions add {rule} {where} --days 90 --reason "..."')
    confirmed = sum(one.confirmed for one in seen)
    said = f"{len(seen)} matches in {DAYS} days, {confirmed} of confirmed alerts"
    typer.echo(f"{said}; {len(found) or 'no'} suggestions", err=True)


def _seen(database: Database, store: EventStore, rule: str) -> Iterator[Seen]:
    from datetime import UTC, datetime, timedelta

    from sqlalchemy import select

    from soc.detect.tune import Seen, narrowed
    from soc.model.alert import Disposition
    from soc.model.scope import Scope
    from soc.records.alerts import AlertRow
    from soc.records.batches import SignalRow

    scope = Scope.province("tune")
    wanted = (
        select(SignalRow, AlertRow.disposition)
        .outerjoin(AlertRow, AlertRow.id == SignalRow.alert_id)
        .where(
            SignalRow.rule_id == rule,
            SignalRow.observed_at >= datetime.now(UTC) - timedelta(days=DAYS),
            SignalRow.withdrawn_at.is_(None),
            SignalRow.excepted_by.is_(None) | (SignalRow.excepted_by == "testing"),
        )
        .order_by(SignalRow.number.desc())
        .limit(MOST_MATCHES)
    )
    with database.session(scope) as session:
        rows = [
            (row.event_id, row.host, dict(row.fields), how) for row, how in session.execute(wanted)
        ]
    for event_id, host, fields, disposition in rows:
        event = store.find(scope, event_id)
        whole = {"host.name": host, **(event.fields if event is not None else {})}
        yield Seen(narrowed(fields, whole), disposition == Disposition.TRUE_POSITIVE)
