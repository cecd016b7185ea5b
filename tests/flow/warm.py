"""``python -m tests.flow.warm door|agent ...``: load everything, wait for one line on stdin, then run the real command.

Tests that start the same program dozens of times prepare the next process while the present one still runs.
"""

from __future__ import annotations

import sys


def door() -> None:
    import uvicorn  # noqa: F401

    import soc.detect.current
    import soc.detect.judge
    import soc.flow
    import soc.receive.door
    import soc.register.ownership
    import soc.site.door
    import soc.store.embedded  # noqa: F401
    from soc.cli import door
    from soc.collect import discovery

    discovery.readers()
    _wait()
    door.command()


def agent(arguments: list[str]) -> int:
    from collectors.agent import main

    _wait()
    return main.main(arguments)


def _wait() -> None:
    if not sys.stdin.readline():
        sys.exit("not needed")


if __name__ == "__main__":
    if sys.argv[1] == "door":
        door()
    else:
        sys.exit(agent(sys.argv[2:]))
