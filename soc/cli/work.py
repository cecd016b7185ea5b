"""``soc work``: the worker process of the site."""

from __future__ import annotations


def command() -> None:
    """Run the worker: alerts from signals, jobs, playbook leases, the outbox.

    Example: SOC_HOME=var soc work
    """
    from soc.site import load_settings
    from soc.site.work import run_work

    run_work(load_settings())
