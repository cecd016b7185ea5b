"""An agent's commands without the platform's code: started, and killed at a step, as a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from collectors.agent.actions import actions_here
from collectors.agent.actions.contract import Action
from collectors.agent.commands import Commands
from collectors.agent.identity import load_identity
from collectors.agent.link import ADDRESSES_FILE, Link
from collectors.agent.notices import Notices


def commands_in(
    home: Path,
    *,
    actions: Mapping[str, Action] | None = None,
    step: Callable[[str], None] = lambda name: None,
) -> Commands:
    """The commands of an enrolled home, as ``soc-agent run`` makes them."""
    identity = load_identity(home)
    link = Link(identity.platform, home / "ca.pem", home / ADDRESSES_FILE)
    return Commands(
        home,
        identity,
        link,
        Notices(identity.name, is_quiet=True),
        actions or actions_here(),
        home / "ca.pem",
        step=step,
    )


def main() -> None:
    """Obey what waits, for the home of the first argument; killed at the step of the second."""
    home, wanted = Path(sys.argv[1]), sys.argv[2]

    def step(name: str) -> None:
        if name == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    agent = commands_in(home, step=step)
    agent.settle()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        agent.turn()
        time.sleep(0.02)


if __name__ == "__main__":
    main()
