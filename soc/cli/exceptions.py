"""``soc exceptions``: matches that are known to be harmless, for whom, why and how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.detect.exception_shelf import ExceptionShelf, Listed

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Key = Annotated[str, typer.Argument(help="NL-0001")]


@app.command()
def add(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    where: Annotated[
        list[str],
        typer.Option(help="field=value or field|contains=one,two; again for more: all must hold."),
    ],
    reason: Annotated[str, typer.Option(help="Why these matches are harmless.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="It ends by itself after so many.")],
    agency: Annotated[str, typer.Option(help="Key of the only agency; empty: all.")] = "",
    system: Annotated[str, typer.Option(help="Key of the only system; empty: all.")] = "",
) -> None:
    """Keep harmless matches of a rule from making alerts. They are still kept and counted.

    What it would have hidden in the last 90 days is shown. If a confirmed alert was among that, a second person must
    approve it before it counts.

    Example: soc exceptions add RULE --where user.name=svc-backup --days 90 --reason "sao lưu hằng đêm"
    """
    from soc.cli.opening import operator
    from soc.detect.exceptions import read_where

    now = datetime.now(UTC)
    with _shelf(events=True) as shelf:
        row, preview = shelf.add(
            operator(),
            rule,
            [read_where(one) for one in where],
            reason=reason,
            expires_at=now + timedelta(days=days),
            now=now,
            agency_id=agency or None,
            system_id=system or None,
        )
    seen = (
        f"it would have hidden {preview.hidden} of the last {preview.looked_at} matches (90 days)"
    )
    print(f"{row.id} until {row.expires_at:%Y-%m-%d %H:%MZ}: {seen}")
    if preview.confirmed:
        print(
            f"{', '.join(preview.confirmed)} were confirmed alerts: it waits for another person's "
            f"`soc exceptions approve {row.id}`"
        )


@app.command("list")
def list_exceptions(
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    as_json: Json = False,
) -> None:
    """List the exceptions in force and those that wait, with how many matches they have hidden.

    Example: soc exceptions list --all
    """
    from soc.cli.case import print_line
    from soc.cli.opening import operator

    with _shelf() as shelf:
        for one in shelf.listed(operator(), datetime.now(UTC), everything=everything):
            print_line(_plain(one), _text(one), as_json=as_json)


@app.command()
def approve(exception: Key) -> None:
    """Approve an exception that another person wrote.

    Example: soc exceptions approve NL-0001
    """
    from soc.cli.opening import operator

    with _shelf() as shelf:
        shelf.approve(operator(), exception, datetime.now(UTC))
    print(f"{exception} is in force")


@app.command()
def end(exception: Key) -> None:
    """End an exception now.

    Example: soc exceptions end NL-0001
    """
    from soc.cli.opening import operator

    with _shelf() as shelf:
        shelf.end(operator(), exception, datetime.now(UTC))
    print(f"{exception} has ended")


@contextmanager
def _shelf(*, events: bool = False) -> Iterator[ExceptionShelf]:
    """The exceptions of the site; with ``events`` it also looks stored events up."""
    from soc.cli.case import open_database
    from soc.detect.exception_shelf import ExceptionShelf
    from soc.model.scope import Scope
    from soc.site.events import open_store

    with open_database() as (settings, database):
        if not events:
            yield ExceptionShelf(database)
            return
        store = open_store(settings, writable=False)
        try:
            yield ExceptionShelf(
                database, lambda key: store.find(Scope.province("exceptions"), key)
            )
        finally:
            store.close()


def _plain(one: Listed) -> dict[str, Any]:
    row = one.row
    names = ("id", "rule_id", "where", "agency_id", "system_id", "reason", "author", "created_at")
    more = ("expires_at", "confirmed", "approved_by", "ended_by")
    plain = {name: getattr(row, name) for name in (*names, *more)}
    return plain | {"state": one.state, "hidden": one.hidden}


def _text(one: Listed) -> str:
    row = one.row
    where = " and ".join(f"{field} {how} {', '.join(values)}" for field, how, values in row.where)
    whom = row.system_id or row.agency_id or "all agencies"
    return (
        f"{row.id}  {one.state:8}  {one.hidden} hidden  rule {row.rule_id}  {where[:200]}  {whom}  "
        f"until {row.expires_at:%Y-%m-%d %H:%MZ}  {row.author}: {row.reason}"
    )
