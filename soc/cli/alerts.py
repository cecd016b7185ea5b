"""``soc alerts``: list alerts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.respond.triage import AlertView

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
PAGE = 500


@app.callback()
def alerts() -> None:
    """List alerts."""


@app.command("list")
def list_alerts(
    since: Annotated[
        str | None, typer.Option(help="Seen or made in the last: 15m, 24h, 7d.")
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="Only new, acknowledged or closed; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List alerts, the newest first, one a line.

    Example: soc alerts list --since 15m --json
    """
    from soc.cli.case import open_database, print_line
    from soc.cli.times import duration
    from soc.model.scope import Scope
    from soc.respond.triage import AlertFilter, TriageDesk

    start = None if since is None else datetime.now(UTC) - duration(since)
    wanted = AlertFilter(status=frozenset(status or ()), since=start)
    with open_database() as (_, database):
        desk, offset = TriageDesk(database), 0
        while True:
            page = desk.page(
                Scope.province("command line"), wanted, sort="newest", offset=offset, size=PAGE
            )
            for alert in page.alerts:
                print_line(plain(alert), text(alert), as_json=as_json)
            offset += PAGE
            if offset >= page.total:
                return


def plain(alert: AlertView) -> dict[str, Any]:
    """The stable keys that other programs depend on; times are RFC 3339 in UTC."""
    row = alert.row
    return {
        "id": row.id,
        "rule_id": row.rule_id,
        "title": row.title,
        "severity": row.severity,
        "priority": row.priority,
        "agency": alert.agency_name or None,
        "system": alert.system_name or None,
        "host": row.host,
        "first_seen": row.first_seen_at,
        "last_seen": row.last_seen_at,
        "signals": row.signals,
        "status": row.status,
    }


def text(alert: AlertView) -> str:
    row = alert.row
    return (
        f"{row.id}  {row.last_seen_at:%Y-%m-%d %H:%M:%SZ}  {row.priority:>3} {row.severity:<13} "
        f"{row.status:<12} {row.signals:>5}x  {row.host:<20} {row.title}"
        + (f"  [{alert.agency_name}]" if alert.agency_name else "")
    )
