"""How long a door takes to load all rules, and how long its threads stand still while it exchanges them.

``python -m bench.reload``. Needs the public data (``SOC_CORPUS``): all of SigmaHQ's rules, and EVTX records as events.
In a process of its own: from the cached pack to a matcher that judges, and the resident memory. Then, in another, a
door's own chores exchange the rules again and again while one thread judges events whose values are all new (so that
the memories are full) and another ticks each millisecond: its longest pause is what any thread of the door suffers. The
same without exchanges stands beside it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.detect import DATA, copied, corpus_events, unique

FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
EVENTS, AT_ONCE = 4_000, 200  # different records; events in one batch
WARM_EVENTS = 60_000
RELOADS = 5
START_GOAL_SECONDS, PAUSE_GOAL_MS, MEMORY_GOAL_MIB = 2.0, 100, 400
OTHER_DIGEST = "0" * 32


class Ticker:
    """A thread that wants to run each millisecond, and notes how late it was."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self.longest_seconds = 0.0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        last = time.perf_counter()
        while not self._stop.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            self.longest_seconds = max(self.longest_seconds, now - last - 0.001)
            last = now

    def stop(self) -> float:
        """The longest pause in milliseconds."""
        self._stop.set()
        return self.longest_seconds * 1_000


def resident_mib() -> int:
    return int(psutil.Process().memory_info().rss >> 20)


def start(packs_home: Path) -> dict[str, Any]:
    """A process that loads the pack in use."""
    began = time.perf_counter()
    from soc.detect.current import load_current
    from soc.detect.matcher import Matcher

    matcher = Matcher(load_current(packs_home))
    matcher.match({"Channel": "x"})
    seconds = time.perf_counter() - began
    return {"rules": len(matcher.rules), "seconds": seconds, "resident_mib": resident_mib()}


def new_events(corpus: Path) -> Iterator[list[Any]]:
    """Batches without end, every text value new."""
    from soc.model.event import Event

    kept = list(itertools.islice(corpus_events(corpus), EVENTS))
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    for number in itertools.count():
        fields = [
            unique(copied(kept[one % len(kept)], number, one), one)
            for one in range(number * AT_ONCE, (number + 1) * AT_ONCE)
        ]
        yield [Event("bench", moment, one, b"", f"{place}") for place, one in enumerate(fields)]


def reload(packs_home: Path, corpus: Path) -> dict[str, Any]:
    """A door's chores in this thread, judging in another, the ticker in a third."""
    from soc.detect.current import load_current, publish
    from soc.records.database import Database
    from soc.settings import Settings
    from soc.site.door import DoorProcess, rest_the_collector

    pack = load_current(packs_home)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        settings.keys_home.mkdir()
        database = Database(settings.database_url)
        database.create_all()
        door = DoorProcess(settings, database, lambda step: None)
        publish(replace(pack, digest=OTHER_DIGEST), settings.packs_home)
        publish(pack, settings.packs_home)
        digests = [OTHER_DIGEST, pack.digest]
        del pack
        door._refresh_rules()
        rest_the_collector()
        batches, going = new_events(corpus), True
        for _ in range(WARM_EVENTS // AT_ONCE):
            door.flow.rules.judge(next(batches))

        def judge() -> None:
            while going:
                door.flow.rules.judge(next(batches))

        judging = threading.Thread(target=judge)
        judging.start()
        before_mib, quiet = resident_mib(), Ticker()
        time.sleep(RELOADS)
        found: dict[str, Any] = {"pause_without_ms": quiet.stop(), "before_mib": before_mib}
        seconds = []
        ticker = Ticker()
        for number in range(RELOADS):
            (settings.packs_home / "current").write_text(digests[number % 2])
            began = time.perf_counter()
            door._refresh_rules()
            seconds.append(time.perf_counter() - began)
            while door._leaving:
                door._let_go()
                time.sleep(0.01)
            time.sleep(0.5)
        found |= {"pause_ms": ticker.stop(), "resident_mib": resident_mib()}
        going = False
        judging.join()
        door.store.close()
        database.close()
    return found | {"slowest_seconds": max(seconds)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("start", "reload"), help=argparse.SUPPRESS)
    parser.add_argument("--packs", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    corpus = Path(os.environ.get("SOC_CORPUS", ""))
    if not (corpus / "sigma" / "rules").is_dir():
        print("bench.reload: set SOC_CORPUS to the folder of the public data", file=sys.stderr)
        return 2
    if given.part:
        found = start(given.packs) if given.part == "start" else reload(given.packs, corpus)
        print(json.dumps(found))
        return 0
    from soc.detect.current import publish
    from soc.detect.packs import compile_pack

    folders = [corpus / "sigma" / name for name in FOLDERS]
    pack = compile_pack(folders, mapping="native", cache=DATA / "packs")
    with tempfile.TemporaryDirectory() as home:
        publish(pack, Path(home))
        parts = {part: measured(part, Path(home)) for part in ("start", "reload")}
    first, later = parts["start"], parts["reload"]
    print(
        f"start with {first['rules']} rules from the cache: {first['seconds']:.2f} s "
        f"(goal: {START_GOAL_SECONDS} s), resident {first['resident_mib']} MiB (goal: {MEMORY_GOAL_MIB})"
    )
    print(
        f"{RELOADS} reloads, {later['slowest_seconds']:.2f} s at most, beside a thread that judges: longest pause "
        f"{later['pause_ms']:.0f} ms (goal: {PAUSE_GOAL_MS}); without reloads {later['pause_without_ms']:.0f} ms; "
        f"resident before {later['before_mib']} MiB, afterwards {later['resident_mib']} MiB"
    )
    return int(later["pause_ms"] > PAUSE_GOAL_MS or first["seconds"] > START_GOAL_SECONDS)


def measured(part: str, packs_home: Path) -> dict[str, Any]:
    """The figures of one part, in a process of its own."""
    command = [sys.executable, "-m", "bench.reload", "--part", part, "--packs", str(packs_home)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
