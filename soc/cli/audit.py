"""``soc audit``: the audit log."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The audit log: list, verify.")


@app.command("list")
def list_rows(
    actor: Annotated[str, typer.Option(help="Only what this account did.")] = "",
    action: Annotated[str, typer.Option(help="Only this action, e.g. alert.close.")] = "",
    size: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List who did what, newest first.

    Example: soc audit list --action sign_in.failed --size 20
    """
    from soc.access.audit_log import latest
    from soc.cli.opening import operator, site_database

    for row in latest(site_database(), operator(), actor=actor, action=action, size=size):
        if as_json:
            facts = {
                "number": row.number,
                "at": row.at.isoformat(),
                "actor": row.actor,
                "action": row.action,
                "noun": row.noun,
                "key": row.key,
                "address": row.address,
                "text": row.text,
                "detail": row.detail,
                "digest": row.digest,
            }
            print(json.dumps(facts, ensure_ascii=False))
            continue
        what = " ".join(part for part in (row.noun, row.key, row.text) if part)
        print(
            f"{row.number:>7} {row.at:%Y-%m-%d %H:%M:%S} UTC  {row.actor:16} {row.action:22} {what}"
        )


@app.command("verify")
def verify(
    seal: Annotated[
        str, typer.Option(help="Digest kept elsewhere: the chain must still contain it.")
    ] = "",
) -> None:
    """Check the chain of the audit log. Exit code 1 when a row was changed, removed or put in.

    Example: soc audit verify --seal 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    """
    from soc.access.audit_log import verify as verify_chain
    from soc.cli.opening import operator, site_database

    outcome = verify_chain(site_database(), operator(), seal=seal)
    if outcome.problem:
        print(f"The chain is broken at row {outcome.number}: {outcome.problem}.")
        raise typer.Exit(1)
    print(f"The chain of {outcome.rows} rows holds; its end is {outcome.digest}.")
