"""``soc rules tune``: which exception would remove the most noise of a rule."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from soc.detect.tune import Seen
    from soc.model.event import Event
    from soc.ports import EventStore
    from soc.records.database import Database


def command(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Suggest exceptions for a rule: those that would hide the most of its matches and no confirmed alert.

    The rule's matches of the last 90 days are looked at. Each suggestion is a command for a person to read and give.

    Example: soc rules tune 5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c10
    """
    from soc.cli.opening import site_database
    from soc.detect.kept_matches import LOOKED_BACK
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
    said = f"{len(seen)} matches in {LOOKED_BACK.days} days, {confirmed} of confirmed alerts"
    typer.echo(f"{said}; {len(found) or 'no'} suggestions", err=True)


def _seen(database: Database, store: EventStore, rule: str) -> Iterator[Seen]:
    """The newest matches that make noise, and all that were confirmed: of these every field that is still known."""
    from datetime import UTC, datetime

    from soc.detect.kept_matches import confirmed_matches, newest_matches
    from soc.detect.tune import Seen, narrowed
    from soc.model.event import TESTING
    from soc.model.scope import Scope

    scope, now = Scope.province("tune"), datetime.now(UTC)

    def find(event_id: str) -> Event | None:
        return store.find(scope, event_id)

    with database.session(scope) as session:
        for one in newest_matches(session, rule, now, find):
            if not one.confirmed and one.signal.excepted_by in (None, TESTING):
                yield Seen(narrowed(one.signal.fields, one.fields), confirmed=False)
        for one in confirmed_matches(session, rule, now, find):
            yield Seen(one.fields, confirmed=True, whole=one.whole)
