"""``soc edr``: which machines are protected, where malware was seen, and the mapping files of the feed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.respond.edr_desk import AgencyProtection, MachineView
    from soc.respond.spread_desk import AgencyAnswer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Agency = Annotated[str, typer.Option(help="Only the agency with this key.")]


@app.command()
def status(agency: Agency = "", as_json: Json = False) -> None:
    """Count protected machines by agency; exit code 1 when some are not.

    Example: soc edr status --agency a-sxd
    """
    from soc.cli.case import open_database, print_line
    from soc.cli.opening import operator
    from soc.respond.edr_desk import EdrDesk

    with open_database() as (_, database):
        found = EdrDesk(database).status(operator(), now=datetime.now(UTC), agency=agency)
    for one in found:
        print_line(_plain(one), _status_text(one), as_json=as_json)
    if any(one.off or one.stale or one.away or one.missing for one in found):
        raise typer.Exit(1)


@app.command()
def machines(
    agency: Agency = "",
    problem: Annotated[
        str, typer.Option(help="Only: missing (no EDR), off, stale (15 days), away (7 days).")
    ] = "",
    as_json: Json = False,
) -> None:
    """List machines with their protection, one a line.

    Example: soc edr machines --problem stale
    """
    from soc.cli.case import open_database, print_line
    from soc.cli.opening import operator
    from soc.respond.edr_desk import PROBLEMS, EdrDesk

    if problem and problem not in PROBLEMS:
        raise typer.BadParameter(f"--problem is one of {', '.join(PROBLEMS)}")
    with open_database() as (_, database):
        found = EdrDesk(database).machines(
            operator(), now=datetime.now(UTC), agency=agency, problem=problem
        )
    for one in found:
        print_line(_plain(one), _machine_text(one), as_json=as_json)


@app.command()
def spread(
    value: Annotated[str, typer.Argument(help="A hash, a path, or the name of a threat or file.")],
    since: Annotated[str, typer.Option(help="How far back: 24h, 30d.")] = "30d",
    as_json: Json = False,
) -> None:
    """Ask every agency whether it has seen it: seen, not seen, or silent. Exit code 1 when somebody has.

    Example: soc edr spread 275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f
    """
    from soc.cli.case import open_database, print_line
    from soc.cli.opening import operator
    from soc.cli.times import duration
    from soc.respond.spread_desk import SpreadDesk
    from soc.site.events import open_store

    with open_database() as (settings, database):
        store = open_store(settings, writable=False)
        try:
            found = SpreadDesk(database, store).spread(
                operator(), value, now=datetime.now(UTC), within=duration(since)
            )
        finally:
            store.close()
    for one in found.answers:
        print_line(_plain(one), _answer_text(one), as_json=as_json)
    counts = ", ".join(f"{len(found.of(word))} {word}" for word in ("seen", "not_seen", "silent"))
    print(counts, file=sys.stderr)
    if found.of("seen"):
        raise typer.Exit(1)


@app.command()
def mappings(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders to check; else those of the settings.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the mapping files and list those in force; exit code 1 when one cannot be used.

    Example: soc edr mappings /etc/soc/edr-mappings
    """
    from soc.cli.case import print_line
    from soc.normalise.protection.shelf import load_shelf
    from soc.settings import Settings

    shelf = load_shelf(Settings().edr_mappings if folders is None else folders)
    for one in shelf.mappings:
        forms = ", ".join(f"{form.kind}{' (CEF)' if form.cef else ''}" for form in one.forms)
        facts = {"name": one.name, "product": one.product, "path": one.path}
        print_line(facts, f"{one.name:<14} {one.product:<28} {forms}", as_json=as_json)
    for error in shelf.refused:
        print(error, file=sys.stderr)
    if shelf.refused:
        raise typer.Exit(1)


@app.command()
def reread() -> None:
    """Have the worker read every stored row of the feed again, e.g. after `soc events replay`.

    Example: soc edr reread
    """
    from soc.cli.case import open_database
    from soc.collect.protection import begin_anew

    with open_database() as (_, database):
        begin_anew(database)
    print("the worker begins anew within five seconds; what is known stays as it is")


def _plain(one: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one)


def _status_text(one: AgencyProtection) -> str:
    name = one.agency_name or "unowned"
    return (
        f"{name:<40} {one.machines:>5} machines  {one.on:>5} on  {one.off:>4} off  {one.stale:>4} stale  "
        f"{one.away:>4} away  {one.missing:>4} without EDR  {one.detections} detections, "
        f"{one.unhandled} not handled"
    )


def _machine_text(one: MachineView) -> str:
    state = ", ".join(one.problems) or "ok"
    return (
        f"{one.agency_name or 'unowned':<30} {one.machine:<24} {one.protection or '?':<4} "
        f"signatures {_day(one.signature_date)}  contact {_day(one.last_contact)}  {state}"
        f"  {' '.join(one.products)}"
    )


def _answer_text(one: AgencyAnswer) -> str:
    if one.answer != "seen":
        return f"{one.answer:<9} {one.agency_name}"
    hosts = ", ".join(one.hosts)
    when = f"{_day(one.first)} to {_day(one.last)}"
    return f"{one.answer:<9} {one.agency_name}  {one.machines} machines, {when}: {hosts}"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%MZ}" if moment else "never told"
