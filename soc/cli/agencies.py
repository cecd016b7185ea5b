"""``soc agencies``: which agencies are in testing, and the decision to have their rules alert."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

SHOWN = 10  # rules of one agency

app = typer.Typer(no_args_is_help=True, help="Agencies in testing: list, state.")


@app.command("testing")
def list_testing(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the agencies in testing, with the matches that made no alert since: what would come once they are active.

    Example: soc agencies testing
    """
    import orjson

    from soc.cli.opening import operator, site_database
    from soc.detect.agency_states import AgencyDecisions

    database = site_database()
    try:
        found = list(AgencyDecisions(database).in_testing(operator()))
    finally:
        database.close()
    for one in found:
        if as_json:
            typer.echo(orjson.dumps(one).decode())
            continue
        typer.echo(f"{one.agency_id}  {one.name}: in testing since {one.since:%Y-%m-%d %H:%MZ}")
        for title, matches in list(one.kept.items())[:SHOWN]:
            typer.echo(f"  {matches:6} {title}")
        if len(one.kept) > SHOWN:
            typer.echo(f"  and {len(one.kept) - SHOWN} more rules")
        typer.echo(f'  soc agencies state {one.agency_id} active --reason "..."')
    if not found and not as_json:
        typer.echo("no agency is in testing")


@app.command("state")
def set_state(
    agency: Annotated[str, typer.Argument(help="The agency's key.")],
    state: Annotated[str, typer.Argument(help="active or testing.")],
    reason: Annotated[str, typer.Option(help="Why; kept with your name and the time.")],
) -> None:
    """Have the rules alert of an agency's events, or put it in testing; it counts within two seconds.

    An agency begins in testing with its first source: only rules of level critical alert.

    Example: soc agencies state sxd active --reason "hai tuần thử, đã thêm ngoại lệ"
    """
    from soc.cli.opening import operator, site_database
    from soc.detect.agency_states import AgencyDecisions, AgencyState
    from soc.errors import SettingsError

    if state not in list(AgencyState):
        raise SettingsError(f"no state {state!r}: choose {', '.join(AgencyState)}")
    database, now = site_database(), datetime.now(UTC)
    try:
        decisions = AgencyDecisions(database)
        decisions.decide(operator(), agency, AgencyState(state), reason=reason, now=now)
    finally:
        database.close()
    typer.echo(f"{agency} is {state}")
