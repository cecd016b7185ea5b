"""``soc rules baselines``: the detections that count every flow, their numbers, and how full their tables are."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer


def command(
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show each counter's thresholds, rows held and evicted, and how far the events have been read.

    Example: soc rules baselines
    """
    from soc.cli.opening import site_database
    from soc.detect.baselines.detectors import Detectors
    from soc.detect.baselines.thresholds import load_thresholds
    from soc.detect.baselines.watch import NAME, SCOPE
    from soc.records.baselines import BaselineRow
    from soc.shipped import folder
    from soc.site import load_settings

    thresholds = load_thresholds([folder("rules"), *load_settings().rules])
    detectors, database = Detectors(thresholds), site_database()
    try:
        with database.session(SCOPE) as session:
            row = session.get(BaselineRow, NAME)
            if row is not None:
                detectors.load(row.state)
                told = {"events": row.events, "findings": row.findings, "saved_at": row.saved_at}
            else:
                told = {"events": 0, "findings": 0, "saved_at": None}
    except ValueError as error:
        typer.echo(f"{error}; the worker begins anew at its next start: soc up", err=True)
        raise typer.Exit(1) from error
    finally:
        database.close()
    numbers = thresholds.model_dump()
    for detector in detectors.all:
        held, evicted = detector.held()
        line: dict[str, Any] = {"name": detector.name, "held": held, "evicted": evicted}
        line["thresholds"] = numbers[detector.name]
        _say(line, json)
    if json:
        typer.echo(orjson.dumps(told).decode())
    else:
        typer.echo(
            f"{told['events']} events read, {told['findings']} findings, saved {told['saved_at'] or 'never'}"
        )


def _say(line: dict[str, Any], json: bool) -> None:
    if json:
        typer.echo(orjson.dumps(line).decode())
        return
    said = ", ".join(f"{name} {value}" for name, value in line["thresholds"].items())
    typer.echo(f"{line['name']:8} {line['held']:>7} held, {line['evicted']:>7} evicted   {said}")
