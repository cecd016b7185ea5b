"""``soc simulate``: synthetic office days and planted attacks, as raw records of real formats."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from soc.simulate import Plan

ALL = "all"


def command(
    folder: Annotated[
        Path | None, typer.Argument(help="A new or empty folder to write into.", metavar="FOLDER")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day, in Vietnam's time.")
    ] = datetime(2026, 11, 23),  # noqa: DTZ001 - a day, not a moment
    days: Annotated[int, typer.Option(min=1, max=3_660, help="How many days.")] = 1,
    workstations: Annotated[int, typer.Option(help="1 to 60,000.")] = 50,
    servers: Annotated[int, typer.Option(help="6 to 200, one of each role at least.")] = 12,
    rate: Annotated[
        float, typer.Option(min=0.0, max=1_000.0, help="How busy: 1 is an ordinary day.")
    ] = 1.0,
    attack: Annotated[
        list[str] | None, typer.Option(help="Plant this attack every day; again for more, or all.")
    ] = None,
    known: Annotated[bool, typer.Option("--list", help="List the attacks and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Make up office days of a province's agencies. Everything in it is SYNTHETIC: nothing of it happened.

    Raw records as Windows, Linux, a web portal and a FortiGate write them, below records/, one file a source; what
    was planted is told in labels.jsonl, with the rules that should find it. Hosts are below tinh.example, addresses
    from outside are those of documentation (RFC 5737). Exit code 0 when done, 2 for wrong use.

    Example: soc simulate thu-nghiem --days 5 --workstations 200 --attack all
    """
    from soc.simulate import Plan, scenario_names

    if known:
        _list(as_json=as_json)
        return
    if folder is None:
        _fail("name a folder to write into (or --list)")
    attacks = scenario_names() if attack and ALL in attack else tuple(dict.fromkeys(attack or ()))
    plan = Plan(seed, start.date(), days, workstations, servers, rate, attacks)
    _write(plan, folder, as_json=as_json)


def _list(*, as_json: bool) -> None:
    from soc.simulate.scenarios import scenarios

    for name, (scenario, _) in scenarios().items():
        told = {"name": name, "title_vi": scenario.title_vi, "title": scenario.title}
        told["techniques"] = " ".join(scenario.techniques)
        typer.echo(json.dumps(told, ensure_ascii=False) if as_json else "  ".join(told.values()))


def _write(plan: Plan, folder: Path, *, as_json: bool) -> None:
    from soc.simulate.files import write

    def day_begins(day: date) -> None:
        if sys.stderr.isatty():
            typer.echo(f"soc simulate: {day}", err=True)

    try:
        written = write(plan, folder, day_begins=day_begins)
    except ValueError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or folder}: {error.strerror or error}")
    if as_json:
        typer.echo(json.dumps(dict(sorted(written.items()))))
        return
    for name, records in sorted(written.items()):
        typer.echo(f"{records:>12,}  {folder / name}")
    typer.echo(
        f"{written.total():>12,}  records, all synthetic; attacks: {folder / 'labels.jsonl'}"
    )


def _fail(reason: str) -> NoReturn:
    typer.echo(f"soc simulate: {reason}", err=True)
    raise typer.Exit(2)
