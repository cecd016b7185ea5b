"""``soc indicators``: what others warn of, and what is watched for."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.detect.indicators.files import Defaults
    from soc.detect.indicators.shelf import Listed, TakenIn

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Source = Annotated[str, typer.Option(help="Who warns of it, for example NCSC or A05.")]
Level = Annotated[str, typer.Option(help="Level of its alerts: low, medium, high, critical.")]
TlpLabel = Annotated[str, typer.Option(help="TLP 2.0: RED, AMBER+STRICT, AMBER, GREEN, CLEAR.")]
Days = Annotated[
    int | None, typer.Option(min=1, max=3650, help="In force for so many days; else by kind.")
]
Agency = Annotated[str, typer.Option(help="Key of the only agency to watch; empty: all.")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, a list of values, or a STIX 2.1 bundle.")],
    source: Source,
    level: Level = "high",
    tlp: TlpLabel = "AMBER",
    days: Days = None,
    agency: Agency = "",
) -> None:
    """Put the indicators of a file in force. Lines that cannot be read are named; the others are taken.

    Example: soc indicators import canh-bao-botnet.csv --source NCSC --tlp AMBER --days 30
    """
    from soc.detect.indicators.files import read_file

    read = read_file(file, _defaults(source, level, tlp, days, agency))
    for problem in read.refused:
        print(problem, file=sys.stderr)
    if read.refusals > len(read.refused):
        print(f"and {read.refusals - len(read.refused)} more", file=sys.stderr)
    done = _take_in(read.indicators)
    print(
        f"{done.new} new, {done.renewed} renewed, {done.unchanged} unchanged, {read.refusals} refused"
    )
    if read.refusals:
        raise typer.Exit(1)


@app.command()
def add(
    values: Annotated[list[str], typer.Argument(help="Also defanged: hxxp://xau[.]example/a")],
    source: Source,
    level: Level = "high",
    tlp: TlpLabel = "AMBER",
    days: Days = None,
    agency: Agency = "",
    note: Annotated[str, typer.Option(help="What is known of it.")] = "",
) -> None:
    """Put typed values in force; the kind of each is found.

    Example: soc indicators add 203.0.113.7 'xau[.]example' --source A05 --note "máy chủ điều khiển botnet"
    """
    from soc.detect.indicators.files import of_row

    defaults = _defaults(source, level, tlp, days, agency)
    done = _take_in([of_row({"value": value, "note": note}, defaults) for value in values])
    print(f"{done.new} new, {done.renewed} renewed, {done.unchanged} unchanged")


@app.command("list")
def list_indicators(
    everything: Annotated[bool, typer.Option("--all", help="Also expired and withdrawn.")] = False,
    value: Annotated[str, typer.Option(help="Only those whose value holds this.")] = "",
    as_json: Json = False,
) -> None:
    """List the indicators in force with their hits, and what was held back.

    Example: soc indicators list --value example
    """
    from soc.cli.case import open_database, print_line
    from soc.cli.opening import operator
    from soc.detect.indicators.retro import progress
    from soc.detect.indicators.shelf import IndicatorShelf

    with open_database() as (_, database):
        found = IndicatorShelf(database).listed(
            operator(), datetime.now(UTC), everything=everything, value=value
        )
        looked = progress(database)
    for one in found:
        print_line(_plain(one), _text(one), as_json=as_json)
    if looked["owed"] or looked["failed"]:
        left = f"{looked['owed']} windows are still owed, {looked['failed']} failed and are tried again"
        print(f"looking back over 90 days: {left}", file=sys.stderr)


@app.command()
def withdraw(
    indicator: Annotated[str, typer.Argument(help="Its id, as `soc indicators list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why it is no longer watched for.")],
) -> None:
    """End an indicator at once.

    Example: soc indicators withdraw 0f3b... --reason "địa chỉ đã được dọn sạch"
    """
    from soc.cli.case import open_database
    from soc.cli.opening import operator
    from soc.detect.indicators.shelf import IndicatorShelf

    with open_database() as (_, database):
        IndicatorShelf(database).withdraw(operator(), indicator, reason, datetime.now(UTC))
    print(f"{indicator} is no longer watched for")


def _defaults(source: str, level: str, tlp: str, days: int | None, agency: str) -> Defaults:
    from soc.detect.indicators.files import LEVELS, Defaults, read_tlp
    from soc.errors import IndicatorError
    from soc.model.indicator import Tlp

    if level not in LEVELS:
        raise IndicatorError(f"a level is one of {', '.join(LEVELS)}", value=level)
    label = read_tlp(tlp) or Tlp.AMBER
    return Defaults(source, datetime.now(UTC), level, label, days, agency or None)


def _take_in(indicators: list[Any]) -> TakenIn:
    from soc.cli.case import open_database
    from soc.cli.opening import operator
    from soc.detect.indicators.shelf import IndicatorShelf

    with open_database() as (_, database):
        return IndicatorShelf(database).take_in(operator(), indicators, datetime.now(UTC))


def _plain(one: Listed) -> dict[str, Any]:
    indicator = one.indicator
    return {
        "id": one.id,
        "kind": indicator.kind,
        "value": indicator.value,
        "source": indicator.source,
        "tlp": indicator.tlp,
        "level": indicator.level,
        "agency": indicator.agency_id,
        "expires_at": indicator.expires_at,
        "withdrawn_at": one.withdrawn_at,
        "hits": one.hits,
        "held_back": one.held_back,
        "held_because": one.held_because,
        "note": indicator.note,
    }


def _text(one: Listed) -> str:
    indicator = one.indicator
    state = f"until {indicator.expires_at:%Y-%m-%d %H:%MZ}"
    if one.withdrawn_at is not None:
        state = f"withdrawn {one.withdrawn_at:%Y-%m-%d %H:%MZ}: {one.withdrawn_because}"
    held = f"  {one.held_back} held back ({one.held_because})" if one.held_back else ""
    return (
        f"{one.id}  {indicator.kind:8} {indicator.value}  {indicator.source}  {indicator.tlp}  "
        f"{indicator.level}  {state}  {one.hits} hits{held}"
    )
