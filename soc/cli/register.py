"""``soc register``: the register file in, out, checked and counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="Agencies, systems, assets: import, export, check, report."
)

File = Annotated[Path, typer.Argument(help="A register file, or a folder of them.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for a program.")]


@app.command("check")
def check(path: File) -> None:
    """Read a register file and name every problem with file and line. Exit code 1 when there are any.

    Example: soc register check province.yaml
    """
    from soc.errors import RegisterError
    from soc.register.files import load

    try:
        register = load(path)
    except RegisterError as error:
        for problem in error.problems:
            print(problem)
        raise typer.Exit(1) from None
    sizes = ", ".join(
        f"{len(getattr(register, section))} {section}"
        for section in ("agencies", "contacts", "systems", "assets", "ranges")
    )
    print(f"{path}: no problem in {sizes}.")


@app.command("import")
def import_file(path: File) -> None:
    """Make the records equal to a register file: all of it, or nothing if there is a problem.

    Example: soc register import province.yaml
    """
    from soc.cli.opening import operator, site_database
    from soc.register.files import load
    from soc.register.import_export import import_register

    register = load(path)
    done = import_register(site_database(), operator(), register, now=datetime.now(UTC))
    if not done.changed:
        print(f"Nothing to change; the register stays at version {done.version}.")
        return
    for (noun, act), count in sorted(done.acts.items()):
        print(f"{noun}: {count} {act}")
    print(f"The register is now at version {done.version}.")


@app.command("export")
def export_file(
    path: Annotated[Path | None, typer.Argument(help="Where to write; nothing: stdout.")] = None,
) -> None:
    """Write the register in its normal form: the same records are the same bytes.

    Example: soc register export province.yaml
    """
    from soc.cli.opening import operator, site_database
    from soc.register.files import dump
    from soc.register.import_export import export_register

    text = dump(export_register(site_database(), operator()))
    if path is None:
        print(text, end="")
    else:
        path.write_text(text, "utf-8")


@app.command("report")
def report(
    path: Annotated[
        Path | None, typer.Argument(help="A file; nothing: the site's records.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count what the register does not know: levels, decisions, plans, contacts.

    Example: soc register report --json
    """
    from soc.register.files import load
    from soc.register.gaps import gaps

    if path is not None:
        register = load(path)
    else:
        from soc.cli.opening import operator, site_database
        from soc.register.import_export import export_register

        register = export_register(site_database(), operator())
    found = gaps(register)
    if as_json:
        facts = {
            "systems": found.systems,
            "complete_systems": found.complete_systems,
            "systems_without": found.of_systems,
            "agencies": found.agencies,
            "agencies_without": {
                "monitoring_contact": found.without_monitoring_contact,
                "response_contact": found.without_response_contact,
                "range": found.without_range,
            },
        }
        print(json.dumps(facts, ensure_ascii=False))
        return
    print(f"{found.systems} systems, {found.complete_systems} of them with nothing missing")
    for name, keys in found.of_systems.items():
        print(f"  without {name}: {len(keys)}  {' '.join(keys[:8])}{' ...' if keys[8:] else ''}")
    print(f"{found.agencies} agencies")
    print(f"  without a monitoring contact: {len(found.without_monitoring_contact)}")
    print(f"  without a response contact: {len(found.without_response_contact)}")
    print(f"  without an address range: {len(found.without_range)}")
