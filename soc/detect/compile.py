"""``python -m soc.detect.compile --home PACKS [--mapping ecs] RULES...``: compile in a process of its own.

pySigma needs some hundred megabytes for a few thousand rules; they return to the system when this process ends.
Prints one JSON object: digest, active, refused, cannot_match. Exit code 0, 3 if some rules were refused (the others are
compiled), or 2 for a folder that is not there. (1 is Python's own, for an error that nobody foresaw.)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from soc.detect.current import publish, states
from soc.detect.packs import MAPPINGS, compile_pack
from soc.errors import RuleError

SOME_REFUSED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile, publish, print what became of the rules."""
    parser = argparse.ArgumentParser(prog="python -m soc.detect.compile", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of packs")
    parser.add_argument("--mapping", choices=MAPPINGS, default="ecs")
    parser.add_argument("rules", type=Path, nargs="+")
    given = parser.parse_args(arguments)
    try:
        pack = compile_pack(given.rules, mapping=given.mapping, cache=given.home)
    except RuleError as error:
        print(error, file=sys.stderr)
        return 2
    publish(pack, given.home)
    sys.stdout.buffer.write(orjson.dumps(states(pack)) + b"\n")
    return SOME_REFUSED if pack.refused else 0


if __name__ == "__main__":
    sys.exit(main())
