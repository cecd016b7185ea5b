"""``soc rules backfill``: judge events by a rule that were stored before it could."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

MOST_DAYS = 400


def command(
    rule: Annotated[str, typer.Argument(help="Id of the rule or correlation.")],
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="How many days back, today included.")
    ] = 30,
) -> None:
    """Have a rule judge the events that are stored already, a day at a time.

    The worker does it, oldest day first, and goes on where it stopped; `soc rules ledger` shows how far it is. The rule
    finds what it would have found at arrival, and what becomes of a match is decided by the rule's state and the
    exceptions of today. Of a correlation all rules below it are judged.

    Example: soc rules backfill 5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c10 --days 60
    """
    from soc.cli.opening import operator, site_database
    from soc.detect.backfill import owe_windows
    from soc.detect.current import load_current
    from soc.site import load_settings

    database = site_database()
    try:
        pack = load_current(load_settings().packs_home)
        made = owe_windows(database, operator(), pack, rule, days, datetime.now(UTC))
    finally:
        database.close()
    typer.echo(f"{made} windows of a day are owed; see `soc rules ledger`")
