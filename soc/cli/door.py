"""``soc door``: the process that agents talk to, and the only writer of the event store."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A host name or address by which agents reach this door."),
    ] = None,
) -> None:
    """Run the agents' door until SIGTERM; what it has in hand is finished and answered first.

    Example: SOC_HOME=var soc door --name soc.tinh.gov.vn
    """
    from soc.site import load_settings
    from soc.site.door import run_door

    run_door(load_settings(), names or [])
