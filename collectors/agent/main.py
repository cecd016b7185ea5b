"""The command line of ``soc-agent``: enrol, run, once, status."""

from __future__ import annotations

import argparse
import glob
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import psutil

from collectors.agent.config import load_config
from collectors.agent.enrol import enrol
from collectors.agent.errors import AgentError
from collectors.agent.identity import load_identity
from collectors.agent.inputs.evtx_files import EvtxFiles
from collectors.agent.inputs.file_tail import FileTail
from collectors.agent.notices import VERSION
from collectors.agent.running import Agent

EXAMPLES = """examples:
  soc-agent enrol --home /var/lib/soc-agent --platform https://soc.example:8601 --ca ca.pem --token T
  soc-agent run --home /var/lib/soc-agent
  soc-agent once --home /var/lib/soc-agent Security.evtx /var/log/auth.log
  soc-agent status --home /var/lib/soc-agent
"""
DONE, FOUND, WRONG = 0, 1, 2
FOLDER_SUFFIXES = {".evtx", ".log", ".json", ".jsonl", ".ndjson"}
BATCH_BYTES = (
    4 * 1024 * 1024
)  # of `once`: few large commits cost the platform half of many small ones
LANES = 5


def app() -> None:
    """Entry point."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Carry out a command; 0 done, 1 not all is well, 2 wrong use or refused."""
    asked = _parser().parse_args(arguments)
    act: Callable[[argparse.Namespace], int] = asked.act
    try:
        return act(asked)
    except AgentError as error:
        print(f"soc-agent: {error}", file=sys.stderr)
        return WRONG
    except PermissionError as error:
        print(f"soc-agent: no permission: {error}", file=sys.stderr)
        return WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "soc-agent",
        description="Gathers raw records and ships them until the platform has stored them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    made = _verb(verbs, "enrol", "make a key and become known to the platform", _enrol)
    made.add_argument("--platform", required=True, help="https://host:8601")
    made.add_argument("--ca", required=True, type=Path, help="the platform's CA certificate (PEM)")
    made.add_argument("--token", required=True, help="the one-time token")
    made.add_argument("--name", default=socket.gethostname(), help="default: the host name")
    _verb(verbs, "run", "gather and ship until SIGTERM or Ctrl-C", _run)
    once = _verb(verbs, "once", "ship files, and end when they are acknowledged", _once)
    once.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="file or folder")
    once.add_argument("--source", default="auto", help="how lines are read (EVTX know themselves)")
    once.add_argument("--again", action="store_true", help="EVTX files shipped before, once more")
    status = _verb(verbs, "status", "what it does, and what it cannot see", _status)
    status.add_argument("--json", action="store_true")
    return parser


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    act: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    made.add_argument("--home", required=True, type=Path, help="the agent's folder")
    made.set_defaults(act=act)
    return made


def _enrol(asked: argparse.Namespace) -> int:
    agent_id = enrol(
        asked.home, platform=asked.platform, ca=asked.ca, token=asked.token, name=asked.name
    )
    print(f"enrolled as {agent_id}")
    return DONE


def _run(asked: argparse.Namespace) -> int:
    agent = Agent(asked.home, load_config(asked.home), load_identity(asked.home))
    _stop_on_signals(agent)
    try:
        agent.run()
    finally:
        agent.close()
    return FOUND if agent.failed else DONE


def _once(asked: argparse.Namespace) -> int:
    files = [path for given in asked.inputs for path in _files(given)]
    for path in files:
        if not path.exists():
            print(f"soc-agent: there is no {path}", file=sys.stderr)
            return WRONG
    agent = Agent(asked.home, load_config(asked.home), load_identity(asked.home), lanes=LANES)
    agent.shipper.batch_bytes, agent.shipper.level = BATCH_BYTES, 1
    _stop_on_signals(agent)
    try:
        agent.once([_taking(path, agent, asked) for path in files])
        is_whole = agent.spool.is_shipped()
    finally:
        agent.close()
    tally = agent.shipper.tally
    print(
        f"{tally.records} records acknowledged in {tally.batches} batches,"
        f" {tally.resent} sent again, {tally.refused} refused"
    )
    return DONE if is_whole and not tally.refused else FOUND


def _files(given: Path) -> list[Path]:
    if not given.is_dir():
        return [given]
    return sorted(path for path in given.rglob("*") if path.suffix.lower() in FOLDER_SUFFIXES)


def _taking(path: Path, agent: Agent, asked: argparse.Namespace) -> Callable[[], int]:
    pattern = glob.escape(str(path))
    if path.suffix.lower() == ".evtx":
        evtx = EvtxFiles([pattern], again=asked.again)
        return lambda: evtx.take_all(agent.intake, agent.stop)
    lines = FileTail([pattern], source=asked.source)
    return lambda: lines.take_all(agent.intake)


def _status(asked: argparse.Namespace) -> int:
    path = asked.home / "status.json"
    identity = load_identity(asked.home)
    if not path.exists():
        print(f"{identity.agent_id} has not run yet in {asked.home}", file=sys.stderr)
        return FOUND
    facts = json.loads(path.read_bytes())
    facts["is_running"] = _is_running(asked.home)
    if asked.json:
        print(json.dumps(facts, ensure_ascii=False))
        return DONE
    for name, value in facts.items():
        if isinstance(value, dict):
            value = [f"{key}: {text}" for key, text in value.items()]
        for line in value if isinstance(value, list) else [value]:
            print(f"{name:22} {line}")
    return DONE


def _is_running(home: Path) -> bool:
    """Whether the process that ``run`` left in its marker is there (a killed one leaves it too)."""
    marker = home / "running"
    return marker.exists() and psutil.pid_exists(int(marker.read_text() or 0))


def _stop_on_signals(agent: Agent) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        # Not here: this very thread may hold the lock of the event.
        threading.Thread(target=agent.stop.set).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


if __name__ == "__main__":
    app()
