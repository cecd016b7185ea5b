"""``soc rules ledger``: how far each rule has been evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.detect.evaluated import Evaluated


def command(
    every: Annotated[
        bool, typer.Option("--all", help="Also correlations that owe nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say how far each rule has been evaluated, and which windows are owed or have failed and why.

    Exit code 1 if a window has failed; it is tried again by itself.

    Example: soc rules ledger --all
    """
    from soc.cli.opening import site_database
    from soc.detect.current import load_current
    from soc.detect.evaluated import progress
    from soc.site import load_settings

    database = site_database()
    try:
        pack = load_current(load_settings().packs_home)
        found = progress(database, pack.correlations)
    finally:
        database.close()
    facts = pack.correlation_facts
    rows: list[tuple[str, str, Evaluated]] = [
        ("", f"{len(pack.rules)} single-event rules", found.single)
    ]
    rows += [
        (key, facts[key].title, one)
        for key, one in found.correlations.items()
        if every or one.owed or one.failed
    ]
    rows.append(("", "new indicators in the history", found.indicators))
    for key, title, one in rows:
        if json:
            import orjson

            typer.echo(orjson.dumps(_plain(key, title, one)).decode())
        else:
            typer.echo(_text(key, title, one))
    if any(one.failed for _, _, one in rows):
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
