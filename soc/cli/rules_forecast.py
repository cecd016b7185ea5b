"""``soc rules forecast``: how many alerts a day rules would make, by stored history."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.detect.forecast import Forecast, RuleForecast

AGENCIES_SHOWN = 3


def command(
    rule_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[RULE]...", help="Only these rules, by id.")
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="Rule files or folders; default: the site's rules."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How far back.")] = 14,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say how many alerts a day rules would make: active ones, ones in testing, or a draft in a file.

    Every stored event of these days is judged once by all of them, with the exceptions in force. Alerts are counted as
    if each were closed the same evening.

    Example: soc rules forecast --rules draft.yml --days 14
    """
    from soc.cli.opening import site_database
    from soc.detect.exception_shelf import ExceptionShelf
    from soc.detect.exceptions import Exceptions
    from soc.detect.forecast import Forecaster
    from soc.detect.matcher import Matcher
    from soc.detect.packs import compile_pack, user_cache
    from soc.model.scope import Scope
    from soc.site import load_settings, rule_folders
    from soc.site.events import open_store

    settings = load_settings()
    database = site_database()
    pack = compile_pack(rules or rule_folders(settings), cache=user_cache())
    now = datetime.now(UTC)
    began = time.monotonic()
    exceptions = Exceptions(ExceptionShelf(database).at_work(now))
    forecaster = Forecaster(Matcher(pack), exceptions, at=now)
    store = open_store(settings, writable=False)
    try:
        scope = Scope.province("forecast")
        forecaster.take(store.scan(scope, "", start=now - timedelta(days=days), end=now))
    finally:
        store.close()
    found = forecaster.result()
    wanted = set(rule_ids or ())
    unknown = wanted - pack.rules.keys() - pack.correlations.keys()
    for rule_id in sorted(unknown):
        typer.echo(f"soc rules: no rule {rule_id} can be used: see `soc rules check`", err=True)
    _say(found, wanted, days, json=json)
    typer.echo(
        f"{found.events} events of {days} days, {len(pack.rules) + len(pack.correlations)} rules, "
        f"{time.monotonic() - began:.1f} s",
        err=True,
    )
    if unknown:
        raise typer.Exit(2)


def _say(found: Forecast, wanted: set[str], days: int, *, json: bool) -> None:
    ordered = sorted(found.rules.values(), key=lambda one: (-one.alerts.total(), one.rule_id))
    for one in ordered:
        if wanted and one.rule_id not in wanted:
            continue
        if json:
            import orjson

            typer.echo(orjson.dumps(_plain(one, days)).decode())
        else:
            typer.echo(_text(one, days))


def _plain(one: RuleForecast, days: int) -> dict[str, Any]:
    return {
        "rule_id": one.rule_id,
        "title": one.title,
        "level": one.level,
        "alerts_a_day": round(one.alerts.total() / days, 2),
        "most_in_a_day": max(one.alerts.values(), default=0),
        "matches": one.matches,
        "hidden_by_exceptions": one.hidden,
        "by_day": {day.isoformat(): count for day, count in sorted(one.alerts.items())},
        "by_agency": dict(one.agencies.most_common()),
    }


def _text(one: RuleForecast, days: int) -> str:
    agencies = ", ".join(
        f"{agency or 'no agency'} {count}"
        for agency, count in one.agencies.most_common(AGENCIES_SHOWN)
    )
    hidden = f", {one.hidden} hidden by exceptions" if one.hidden else ""
    return (
        f"{one.alerts.total() / days:8.2f} a day, at most {max(one.alerts.values(), default=0)}  "
        f"{one.level:13}  {one.title}  ({one.matches} matches{hidden}; {agencies or 'no alerts'})"
    )
