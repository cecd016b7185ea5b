"""``soc search``: the stored events by Lucene query string."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer


def command(
    query: Annotated[
        str, typer.Argument(help="Lucene query string on ECS names; * is everything.")
    ] = "*",
    since: Annotated[str, typer.Option(help="How far back: 15m, 24h, 7d.")] = "24h",
    size: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many events.")] = 50,
    raw: Annotated[bool, typer.Option(help="Print the raw bytes instead of the fields.")] = False,
) -> None:
    """Search the stored events, newest first, one JSON object a line.

    Example: soc search 'process.name:curl AND host.name:web*' --since 1h
    """
    import orjson

    from soc.cli.times import duration
    from soc.model.scope import Scope
    from soc.settings import Settings
    from soc.site.events import open_store

    settings = Settings()
    store = open_store(settings, writable=False)
    try:
        found = store.search(
            Scope.province("command line"),
            query,
            start=datetime.now(UTC) - duration(since),
            size=size,
        )
    finally:
        store.close()
    for event in found.events:
        line = event.raw if raw else orjson.dumps(event_line(event))
        sys.stdout.buffer.write(line + b"\n")
    print(f"{len(found.events)} of {found.total} events", file=sys.stderr)


def event_line(event: object) -> dict[str, object]:
    """An event as one flat object: ``@timestamp``, the id, then its fields."""
    from soc.model.event import Event

    assert isinstance(event, Event)
    head = {
        "@timestamp": event.observed_at,
        "event.id": event.id,
        "event.ingested": event.received_at,
    }
    return {**head, **event.fields}
