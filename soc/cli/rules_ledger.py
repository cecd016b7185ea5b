"""``soc rules ledger``: how far each rule has been evaluated."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

if TYPE_CHECKING:
    from soc.detect.evaluated import Evaluated

MOST_UNJUDGED = 100_000  # events that are counted


def command(
    every: Annotated[
        bool, typer.Option("--all", help="Also correlations and history that owe nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say how far each rule has been evaluated, which windows are owed or have failed, and what was not judged.

    Exit code 1 if a window has failed (it is tried again by itself), or events were not judged by a rule.

    Example: soc rules ledger --all
    """
    from soc.cli.opening import site_database
    from soc.detect.current import load_current
    from soc.detect.evaluated import UNJUDGED_EVENTS, progress, unjudged
    from soc.model.scope import Scope
    from soc.site import load_settings
    from soc.site.events import open_store

    settings = load_settings()
    database, store = site_database(), open_store(settings, writable=False)
    try:
        pack = load_current(settings.packs_home)
        found = progress(database, pack.correlations)
        flagged = store.scan(Scope.province("ledger"), UNJUDGED_EVENTS)
        not_judged = unjudged(database, islice(flagged, MOST_UNJUDGED))
    finally:
        store.close()
        database.close()
    facts = pack.correlation_facts
    rows: list[tuple[str, str, Evaluated]] = [
        ("", f"{len(pack.rules)} single-event rules", found.single)
    ]
    titles = {key: one.title for key, one in pack.rules.items()}
    rows += [
        (key, f"history: {titles.get(key, 'a rule that is gone')}", one)
        for key, one in found.history.items()
        if every or one.owed or one.failed
    ]
    rows += [
        (key, facts[key].title, one)
        for key, one in found.correlations.items()
        if every or one.owed or one.failed
    ]
    rows.append(("", "new indicators in the history", found.indicators))
    for key, title, one in rows:
        if json:
            typer.echo(orjson.dumps(_plain(key, title, one)).decode())
        else:
            typer.echo(_text(key, title, one))
    for key, events in not_judged.items():
        title = titles.get(key, "a rule that is gone" if key else "all rules")
        if json:
            typer.echo(orjson.dumps({"rule_id": key, "title": title, **asdict(events)}).decode())
        else:
            between = f"{events.first:%Y-%m-%d %H:%M:%SZ} and {events.last:%Y-%m-%d %H:%M:%SZ}"
            remedy = f"; soc rules backfill {key}" if key in titles else ""
            typer.echo(f"{events.events} events between {between} not judged by {title}{remedy}")
    if not_judged or any(one.failed for _, _, one in rows):
        raise typer.Exit(1)


def _plain(key: str, title: str, one: Evaluated) -> dict[str, Any]:
    return {
        "rule_id": key,
        "title": title,
        "evaluated_up_to": one.up_to,
        "owed": one.owed,
        "failed": one.failed,
        "error": one.error,
    }


def _text(key: str, title: str, one: Evaluated) -> str:
    up_to = f"up to {one.up_to:%Y-%m-%d %H:%M:%SZ}" if one.up_to else "nothing came yet"
    owed = f", {one.owed} windows owed" if one.owed else ""
    failed = f", {one.failed} failed and tried again: {one.error[:200]}" if one.failed else ""
    return f"{up_to}{owed}{failed}  {title}{f'  {key}' if key else ''}"
