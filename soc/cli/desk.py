"""``soc desk``: the process of the console and the API."""

from __future__ import annotations


def command() -> None:
    """Run the console and the API until SIGTERM.

    Example: SOC_HOME=var soc desk
    """
    from soc.console.wiring import run_desk
    from soc.site import load_settings

    run_desk(load_settings())
