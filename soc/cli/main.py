"""The command ``soc``. Each verb is loaded only when it is asked for, so that ``soc --help`` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
import typer.core
import typer.main

VERBS = {
    "up": "Run the whole small site on this machine.",
    "doctor": "Say what is wrong with this site and what to do.",
    "scan": "Run the rule engine over files, with no server and no state.",
    "packets": "Print what is said in packet captures, as JSON lines.",
    "simulate": "Make up synthetic office days and attacks, as raw records.",
    "exceptions": "Matches that are known to be harmless: add, list, approve, end.",
    "suppressions": "Repeats of a rule's alerts that are held back: add, list, end.",
    "rules": "Detection rules: import, check, test, forecast, score, tune, and decide about them.",
    "edr": "The EDR feed: protected machines, malware at other agencies, mapping files.",
    "indicators": "Addresses, domains, hashes to watch for: import, add, list, withdraw.",
    "events": "Read, list and replay events.",
    "search": "Search the stored events.",
    "network": "The network: top talkers, one device, one flow.",
    "alerts": "List alerts.",
    "case": "Look at cases.",
    "playbooks": "Playbooks: list, check, export and import as CACAO, rehearse.",
    "response": "Act on machines through their agents: ask, approve, follow, undo.",
    "bulletin": "Bulletins to agencies: write, approve, follow up.",
    "report": "Make and show reports.",
    "national": "The link to the national centre.",
    "agencies": "Agencies in testing, and the decision to have their rules alert.",
    "agents": "Enrol, list and revoke agents.",
    "register": "Agencies, systems, assets: import, export, check.",
    "users": "Accounts: add, disable, reset.",
    "audit": "The audit log: list, verify.",
    "door": "Run the agents' door (a process of the site).",
    "desk": "Run the console and the API (a process of the site).",
    "work": "Run the worker (a process of the site).",
}


class Verbs(typer.core.TyperGroup):
    """A group whose commands are modules of ``soc.cli``."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"soc.cli.{cmd_name}")
        inner = getattr(module, "app", None)
        if inner is None:
            inner = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            inner.command()(module.command)
        made = typer.main.get_command(inner)
        made.name, made.short_help = cmd_name, VERBS[cmd_name]
        return made

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


group = typer.Typer(
    cls=Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@group.callback()
def soc() -> None:
    """The security operations centre of a province.

    Example: soc scan --rules rules/ --mapping ecs Security.evtx
    """


def app() -> None:
    """Run ``soc``; an error of ours is one plain text on stderr and exit code 2."""
    try:
        group()
    except Exception as error:
        from soc.errors import SocError

        if not isinstance(error, SocError):
            raise
        print(f"soc: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    app()
