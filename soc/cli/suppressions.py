"""``soc suppressions``: repeats of a rule's alerts that are held back for a while, and how many were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.alert.suppression import Listed

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command()
def add(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    minutes: Annotated[
        int, typer.Option(min=1, help="After an alert, repeats of so many minutes.")
    ],
    reason: Annotated[str, typer.Option(help="Why the repeats say nothing new.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="It ends by itself after so many.")],
    by: Annotated[
        list[str] | None, typer.Option(help="entity, or a field; again for more.")
    ] = None,
    agency: Annotated[str, typer.Option(help="Key of the only agency; empty: all.")] = "",
    system: Annotated[str, typer.Option(help="Key of the only system; empty: all.")] = "",
) -> None:
    """Hold back the repeats of a rule's alerts. Each is still kept, and counted by rule and agency.

    Example: soc suppressions add RULE --by host.name --minutes 60 --days 30 --reason "quét lỗ hổng hằng tuần"
    """
    from soc.alert.suppression import ENTITY, SuppressionShelf
    from soc.cli.case import open_database
    from soc.cli.opening import operator

    now = datetime.now(UTC)
    with open_database() as (_, database):
        row = SuppressionShelf(database).add(
            operator(), rule, by=by or [ENTITY], period=timedelta(minutes=minutes), reason=reason,
            expires_at=now + timedelta(days=days), now=now,
            agency_id=agency or None, system_id=system or None,
        )  # fmt: skip
    print(f"{row.id} until {row.expires_at:%Y-%m-%d %H:%MZ}")


@app.command("list")
def list_suppressions(as_json: Json = False) -> None:
    """List the suppressions with what they have let through and held back, by agency.

    Example: soc suppressions list --json
    """
    from soc.alert.suppression import SuppressionShelf
    from soc.cli.case import open_database, print_line
    from soc.cli.opening import operator

    with open_database() as (_, database):
        for one in SuppressionShelf(database).listed(operator(), datetime.now(UTC)):
            print_line(_plain(one), _text(one), as_json=as_json)


@app.command()
def end(suppression: Annotated[str, typer.Argument(help="HN-0001")]) -> None:
    """Let the rule's alerts through again.

    Example: soc suppressions end HN-0001
    """
    from soc.alert.suppression import SuppressionShelf
    from soc.cli.case import open_database
    from soc.cli.opening import operator

    with open_database() as (_, database):
        SuppressionShelf(database).end(operator(), suppression, datetime.now(UTC))
    print(f"{suppression} has ended")


def _plain(one: Listed) -> dict[str, Any]:
    names = ("id", "rule_id", "by", "period_seconds", "agency_id", "system_id", "reason", "author")
    plain = {
        name: getattr(one.row, name) for name in (*names, "created_at", "expires_at", "ended_by")
    }
    counts = [{"agency_id": key, "told": told, "held": held} for key, told, held in one.counts]
    return plain | {"state": one.state, "held": one.held, "counts": counts}


def _text(one: Listed) -> str:
    row = one.row
    counts = ", ".join(f"{key or 'unowned'} {told}+{held}" for key, told, held in one.counts)
    whom = row.system_id or row.agency_id or "all agencies"
    return (
        f"{row.id}  {one.state:8}  {one.held} held back (told+held: {counts or 'none'})  rule {row.rule_id}  "
        f"by {', '.join(row.by)}  {row.period_seconds} s  {whom}  until {row.expires_at:%Y-%m-%d %H:%MZ}  "
        f"{row.author}: {row.reason}"
    )
