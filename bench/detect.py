"""How quick is the matcher? ``python -m bench.detect``: JSON lines in, matches out, one process, rules/windows.

Needs the public data (``SOC_CORPUS``). Its EVTX files become flat JSON lines once, under bench/data: ten copies with
other hosts, times and ids ("replicated"), and the same with every text value unique ("unique"). Each figure is events
per second of CPU time in a process of its own, from the bytes of a line to the ids of the rules; loading the rules is
not counted. ``fresh``: nothing remembered yet. ``warm``: a second pass over the same lines.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

DATA = Path(__file__).parent / "data"
LAST = DATA / "detect.last.json"
SETS = ("evtx-attack-samples", "evtx-to-mitre", "sigma-regression")
COPIES = 10
GATES = frozenset(
    {"Channel", "EventID", "Provider_Name", "EventType", "Keywords", "Level", "Task", "Opcode"}
)
IDS = frozenset(
    {
        "EventRecordID",
        "ProcessId",
        "ProcessGuid",
        "ParentProcessId",
        "ParentProcessGuid",
        "LogonGuid",
    }
)
NUMBER = re.compile(r"(0x)?[0-9a-fA-F]+|[-%0-9.:]*|true|false")


def corpus_events(corpus: Path) -> Iterator[dict[str, Any]]:
    """Every EVTX record of the corpus, flat, under Sigma's names."""
    from soc.detect.event_files import Item, evtx_records
    from soc.detect.native_events import native_fields

    for name in SETS:
        for path in sorted((corpus / name).rglob("*.evtx")):
            for item in evtx_records(str(path), path):
                if isinstance(item, Item) and item.event is not None:
                    yield native_fields(item.event)


def copied(event: dict[str, Any], copy: int, number: int) -> dict[str, Any]:
    """The event as another host would have written it."""
    changed = dict(event)
    for name in IDS & changed.keys():
        changed[name] = f"{changed[name]}{copy}"
    changed["Computer"] = f"{event.get('Computer')}-{copy}"
    changed["SystemTime"] = f"2026-11-{1 + copy:02}T{number % 24:02}:{number % 60:02}:00Z"
    if "UtcTime" in changed:
        changed["UtcTime"] = changed["SystemTime"]
    return changed


def unique(event: dict[str, Any], number: int) -> dict[str, Any]:
    """The event with a number in the middle of every text that is not a number or a gate."""
    return {
        name: f"{value[: len(value) // 2]}{number}{value[len(value) // 2 :]}"
        if isinstance(value, str) and name not in GATES and not NUMBER.fullmatch(value)
        else value
        for name, value in event.items()
    }


def make_sets(corpus: Path) -> None:
    """Write the two sets under bench/data, unless they are there."""
    DATA.mkdir(exist_ok=True)
    if (DATA / "unique.jsonl").exists():
        return
    events = list(corpus_events(corpus))
    with (DATA / "replicated.jsonl").open("wb") as same, (DATA / "part").open("wb") as other:
        for copy in range(COPIES):
            for number, event in enumerate(events):
                changed = copied(event, copy, number)
                same.write(orjson.dumps(changed) + b"\n")
                other.write(orjson.dumps(unique(changed, copy * len(events) + number)) + b"\n")
    (DATA / "part").rename(DATA / "unique.jsonl")


def measure(rules: Path, lines: Path) -> dict[str, Any]:
    """The figures of one set, in this process."""
    from soc.detect.matcher import Matcher
    from soc.detect.packs import compile_pack

    start = time.perf_counter()
    pack = compile_pack([rules], mapping="native", cache=DATA / "packs")
    matcher = Matcher(pack)
    found: dict[str, Any] = {"rules": len(pack.rules), "load_s": time.perf_counter() - start}
    found["loaded_mib"] = resident_mib()
    gc.collect()
    gc.freeze()
    gc.disable()
    for name in ("fresh", "warm"):
        events = matches = 0
        start = time.process_time()
        with lines.open("rb") as file:
            for line in file:
                matches += len(matcher.match(orjson.loads(line)))
                events += 1
        found[name] = round(events / (time.process_time() - start))
    return found | {"events": events, "matches": matches, "peak_mib": resident_mib()}


def resident_mib() -> int:
    """The greatest resident memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> int:
    """Measure both sets, each in a process of its own, beside the last figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=Path, help="default: the corpus's sigma/rules/windows")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    corpus = Path(os.environ.get("SOC_CORPUS", ""))
    rules = given.rules or corpus / "sigma" / "rules" / "windows"
    if not rules.is_dir():
        print("bench.detect: set SOC_CORPUS to the folder of the public data", file=sys.stderr)
        return 2
    if given.one:
        print(json.dumps(measure(rules, given.one)))
        return 0
    make_sets(corpus)
    last = json.loads(LAST.read_text()) if LAST.exists() else {}
    figures = {}
    for name in ("replicated", "unique"):
        command = [sys.executable, "-m", "bench.detect", "--rules", str(rules)]
        done = subprocess.run(
            [*command, "--one", str(DATA / f"{name}.jsonl")], check=True, capture_output=True
        )
        figures[name] = json.loads(done.stdout)
        for key, value in figures[name].items():
            before = last.get(name, {}).get(key)
            shown = f"{value:.2f}" if isinstance(value, float) else f"{value}"
            print(f"{name:11} {key:11} {shown:>12}   last {before}")
    LAST.write_text(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
