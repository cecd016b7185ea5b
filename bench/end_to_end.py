"""End to end: EVTX records of the corpus, ten times over, from the agent to searchable events.

The agent signs and ships over HTTPS; the door reads, matches with SigmaHQ's rules/windows and stores; the
clock stops when a reader of the index finds the last event. Sender and platform share the machine.
Set SOC_CORPUS; SOC_BENCH_TIMES changes the ten.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.running_site import cpu_seconds, proportional_memory_bytes, running_site
from soc.model.scope import Scope
from soc.settings import Settings
from soc.store.embedded import EmbeddedStore

GOAL = 5_000  # events/s on two cores


def copies(corpus: Path, folder: Path, times: int) -> list[Path]:
    """``times`` folders of links to the same EVTX files, so that each file is its own stream."""
    files = sorted(corpus.glob("evtx-*/**/*.evtx"))
    for copy in range(times):
        for number, path in enumerate(files):
            link = folder / f"copy{copy:02d}" / f"{number:04d}-{path.name.replace(' ', '_')}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return sorted(folder.iterdir())


def main() -> int:
    corpus = Path(os.environ.get("SOC_CORPUS", ""))
    if not os.environ.get("SOC_CORPUS"):
        print("set SOC_CORPUS to the folder of public test data", file=sys.stderr)
        return 2
    times = int(os.environ.get("SOC_BENCH_TIMES", "10"))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "site"
        sources = copies(corpus, Path(folder) / "evtx", times)
        rules = f'["{corpus / "sigma" / "rules" / "windows"}"]'
        with running_site(
            home, "--demo", within_seconds=300, own_agent="false", rules=rules
        ) as site:
            return measure(site, home, sources)


def measure(site, home: Path, sources: list[Path]) -> int:
    door = next(pid for pid, name in commands_below(site.process.pid) if name.endswith(" door"))
    token = subprocess.run(
        [sys.executable, "-m", "soc.cli.main", "agents", "token", "--agency", first_agency(site)],
        env=site.environment, check=True, capture_output=True, text=True,
    ).stdout.split()[0]  # fmt: skip
    agent = [sys.executable, "-m", "collectors.agent.main"]
    agent_home = str(home.parent / "agent")
    ca = str(home / "keys" / "ca.pem")
    enrol = ["enrol", "--home", agent_home, "--platform", site.door, "--ca", ca, "--token", token]
    subprocess.run([*agent, *enrol], check=True)
    store = EmbeddedStore(home / "events", months=Settings().retention_months, writable=False)
    before_cpu, began = cpu_seconds(door), time.perf_counter()
    subprocess.run([*agent, "once", "--home", agent_home, *map(str, sources)], check=True)
    acknowledged = time.perf_counter() - began
    children = os.times()
    stored, last = 0, -1
    while stored != last or stored == 0:  # until searchable: the count no longer grows
        last = stored
        stored = store.count(Scope.province(), "NOT event.dataset:soc.agent")
        took = time.perf_counter() - began
        time.sleep(0.2)
    store.close()
    rate, door_cpu = stored / took, cpu_seconds(door) - before_cpu
    memory = proportional_memory_bytes(door) / 2**20
    print(
        f"  {stored} events; acknowledged after {acknowledged:.1f} s, searchable after {took:.1f} s"
    )
    print(f"  door CPU {door_cpu:.1f} s ({door_cpu / stored * 1e6:.0f} us/event), PSS {memory:.0f} MiB; "
          f"agent CPU {children.children_user + children.children_system:.1f} s")  # fmt: skip
    verdict = "reached" if rate >= GOAL else "not reached"
    print(f"end to end: {rate:.0f} events/s (goal {GOAL}: {verdict})")
    return 0


def commands_below(pid: int) -> list[tuple[int, str]]:
    from bench.running_site import processes_below

    return [
        (
            each,
            Path(f"/proc/{each}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(),
        )
        for each in processes_below(pid)
    ]


def first_agency(site) -> str:
    from soc.records.database import Database
    from soc.records.register import AgencyRow

    database = Database(f"sqlite:///{site.home / 'soc.sqlite'}")
    with database.session(Scope.province()) as session:
        return str(session.query(AgencyRow.id).order_by(AgencyRow.id).first()[0])


if __name__ == "__main__":
    sys.exit(main())
