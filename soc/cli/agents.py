"""``soc agents``: tokens for new agents and for other shippers, who is there, and whom to shut out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from soc.model.register import Owner
    from soc.records.agents import AgentRow

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command()
def token(
    agency: Annotated[str, typer.Option(help="Key or code of the agency that owns them.")] = "",
    system: Annotated[str, typer.Option(help="Key of the system that they belong to.")] = "",
    group: Annotated[str, typer.Option(help="Configuration group.")] = "default",
    relay: Annotated[
        list[str] | None,
        typer.Option(help="Make relays, which may stamp within this prefix; may be repeated."),
    ] = None,
    uses: Annotated[int, typer.Option(min=1, help="How many agents may enrol with it.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it is good.")] = 7,
    as_json: Json = False,
) -> None:
    """Make an enrolment token. It is shown this once; only its hash is kept.

    Example: soc agents token --agency a-sxd --system ht-egov --uses 20
    """
    from soc.cli.case import open_database, print_line
    from soc.model.scope import Scope
    from soc.receive.enrolment import create_token

    scope = Scope.province("command line")
    prefixes = [_prefix(one) for one in relay or []]
    with open_database() as (_, database):
        with database.session(scope) as session:
            owner = _owner(session, agency, system)
        made = create_token(
            database,
            scope,
            datetime.now(UTC),
            owner=owner,
            group=group,
            kind="relay" if prefixes else "endpoint",
            prefixes=prefixes,
            uses=uses,
            lasts=timedelta(days=days),
        )
    facts = {"id": made.id, "token": made.secret, "expires_at": made.expires_at}
    until = f"{made.expires_at:%Y-%m-%d %H:%MZ}"
    print_line(facts, f"{made.secret}  good for {uses} until {until}", as_json=as_json)


@app.command()
def shipper(
    name: Annotated[str, typer.Argument(help="The shipper's name, e.g. its host's.")],
    source: Annotated[
        str, typer.Option(help="Whose records it ships: a reader's name, or auto.")
    ] = "auto",
    agency: Annotated[str, typer.Option(help="Key or code of the agency that owns them.")] = "",
    system: Annotated[str, typer.Option(help="Key of the system that they belong to.")] = "",
    relay: Annotated[
        list[str] | None,
        typer.Option(help="It ships for others, within this prefix; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token for rsyslog, syslog-ng, Beats, Fluent Bit, Vector, an OpenTelemetry collector or the like.

    The token is shown this once; only its hash is kept. `soc agents revoke` ends it. See docs/other-shippers.md.

    Example: soc agents shipper proxy-01 --source squid --agency a-sxd --system ht-egov
    """
    from soc.cli.case import open_database, print_line
    from soc.collect.discovery import AUTO, readers
    from soc.errors import NotFound
    from soc.model.scope import Scope
    from soc.receive.shipping.tokens import create_shipper

    if source != AUTO and source not in readers():
        raise NotFound("reader", source)
    scope = Scope.province("command line")
    prefixes = [_prefix(one) for one in relay or []]
    with open_database() as (_, database):
        with database.session(scope) as session:
            owner = _owner(session, agency, system)
        agent_id, secret = create_shipper(
            database,
            scope,
            datetime.now(UTC),
            name,
            source=source,
            owner=owner,
            prefixes=prefixes,
        )
    print_line(
        {"id": agent_id, "token": secret}, f"{secret}  for {agent_id} ({name})", as_json=as_json
    )


@app.command("list")
def list_agents(as_json: Json = False) -> None:
    """List the agents with when they were last heard, one a line.

    Example: soc agents list --json
    """
    from sqlalchemy import select

    from soc.cli.case import open_database, print_line
    from soc.model.scope import Scope
    from soc.records.agents import AgentRow

    with (
        open_database() as (_, database),
        database.session(Scope.province("command line")) as session,
    ):
        for row in session.scalars(select(AgentRow).order_by(AgentRow.name, AgentRow.id)):
            print_line(plain(row), text(row), as_json=as_json)


@app.command()
def show(agent_id: str, as_json: Json = False) -> None:
    """Show one agent with its streams and every hole in them.

    Example: soc agents show ag-0123456789abcdef
    """
    from sqlalchemy import select

    from soc.cli.case import open_database, print_line
    from soc.errors import NotFound
    from soc.model.scope import Scope
    from soc.receive.streams import missing
    from soc.records.agents import AgentRow, StreamRow

    scope = Scope.province("command line")
    with open_database() as (_, database):
        with database.session(scope) as session:
            row = session.scalar(select(AgentRow).where(AgentRow.id == agent_id))
            if row is None:
                raise NotFound("agent", agent_id)
            streams = list(session.scalars(select(StreamRow).where(StreamRow.agent_id == agent_id)))
        holes = [str(hole) for hole in missing(database, scope) if hole.agent_id == agent_id]
    lines = [
        f"  {one.name}  {one.records} records, last {_time(one.last_received_at)}"
        for one in streams
    ]
    facts = plain(row) | {
        "streams": {one.name: one.records for one in streams},
        "missing": holes,
        "blind_spots": row.blind_spots,
    }
    print_line(facts, "\n".join([text(row), *lines, *holes]), as_json=as_json)


@app.command()
def revoke(agent_id: str) -> None:
    """Refuse everything that an agent sends from now on; the door notices within two seconds.

    Example: soc agents revoke ag-0123456789abcdef
    """
    from soc.cli.case import open_database
    from soc.model.scope import Scope
    from soc.receive import enrolment

    with open_database() as (_, database):
        enrolment.revoke(database, Scope.province("command line"), agent_id, datetime.now(UTC))
    typer.echo(f"{agent_id} is revoked")


def plain(row: AgentRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "group": row.group,
        "agency_id": row.agency_id,
        "system_id": row.system_id,
        "operating_system": row.operating_system,
        "version": row.version,
        "enrolled_at": row.enrolled_at,
        "last_seen_at": row.last_seen_at,
        "revoked_at": row.revoked_at,
        "clock_offset_seconds": row.clock_offset_seconds,
    }


def text(row: AgentRow) -> str:
    state = "revoked" if row.revoked_at else f"last heard {_time(row.last_seen_at)}"
    owner = "/".join(filter(None, (row.agency_id, row.system_id))) or "unowned"
    off = row.clock_offset_seconds
    clock = f"  clock {off:+.0f} s" if abs(off) >= 1 else ""
    return f"{row.id}  {row.name:<24} {row.kind:<8} {owner:<24} {row.version:<8} {state}{clock}"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment else "never"


def _prefix(written: str) -> str:
    from ipaddress import ip_network

    try:
        return str(ip_network(written))
    except ValueError as error:
        raise typer.BadParameter(f"--relay {written}: {error}") from error


def _owner(session: Session, agency: str, system: str) -> Owner:
    """The owner that the options name; a system names its operator too."""
    from sqlalchemy import or_, select

    from soc.errors import NotFound
    from soc.model.register import UNOWNED, Owner
    from soc.records.register import AgencyRow, SystemRow

    held = None
    if system:
        held = session.scalar(select(SystemRow).where(SystemRow.id == system))
        if held is None:
            raise NotFound("system", system)
    if not agency:
        return Owner(held.agency_id, held.id) if held else UNOWNED
    row = session.scalar(
        select(AgencyRow).where(or_(AgencyRow.id == agency, AgencyRow.code == agency))
    )
    if row is None:
        raise NotFound("agency", agency)
    return Owner(row.id, held.id if held else None)
