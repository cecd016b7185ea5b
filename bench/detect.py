"""How quick is the matcher? ``make bench-detect``: JSON lines in, matches out.

Needs the public data (``SOC_CORPUS``). Its EVTX files become flat JSON lines once, under bench/data: ten copies with
other hosts, times, ids and tails of command lines ("replicated"), and the same with every text value unique ("unique").
Each figure is events per second of CPU time in a process of its own, from the bytes of a line to the ids of the rules;
loading the rules is not counted. ``fresh``: nothing remembered yet. ``warm``: a second pass over the same lines.

``--beside PROGRAM`` runs a Python program in turn with ours, as ``PROGRAM LINES RULES``; it prints "... N events per
CPU second" once fresh and once warm. Of the rounds the best counts, for both.
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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

DATA = Path(__file__).parent / "data"
LAST = DATA / "detect.last.json"
SETS = ("evtx-attack-samples", "evtx-to-mitre", "sigma-regression")
SETS_MADE = ("replicated", "unique")
SPEEDS = ("fresh", "warm")
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
COMMANDS = frozenset({"CommandLine", "ParentCommandLine", "ProcessCommandLine"})
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
    changed = {name: joined(value) for name, value in event.items()}
    for name in IDS & changed.keys():
        changed[name] = f"{changed[name]}{copy}"
    changed["Computer"] = f"{event.get('Computer')}-{copy}"
    changed["SystemTime"] = f"2026-11-{1 + copy:02}T{number % 24:02}:{number % 60:02}:00Z"
    if "UtcTime" in changed:
        changed["UtcTime"] = changed["SystemTime"]
    for name in COMMANDS & changed.keys():
        changed[name] = f"{changed[name]} {copy:x}{number:04x}"
    return changed


def joined(value: Any) -> Any:
    """A list as one text, since the engines beside ours know none."""
    return " ".join(map(str, value)) if isinstance(value, list) else value


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
    if (DATA / f"{SETS_MADE[1]}.jsonl").exists():
        return
    events = list(corpus_events(corpus))
    replicated, distinct = (DATA / f"{name}.jsonl" for name in SETS_MADE)
    with replicated.open("wb") as same, (DATA / "part").open("wb") as other:
        for copy in range(COPIES):
            for number, event in enumerate(events):
                changed = copied(event, copy, number)
                same.write(orjson.dumps(changed) + b"\n")
                other.write(orjson.dumps(unique(changed, copy * len(events) + number)) + b"\n")
    (DATA / "part").rename(distinct)


def measure(rules: Path, lines: Path) -> dict[str, Any]:
    """The figures of one set, in this process."""
    from soc.detect.matcher import Matcher
    from soc.detect.packs import compile_pack

    compile_pack([rules], mapping="native", cache=DATA / "packs")
    start = time.perf_counter()
    pack = compile_pack([rules], mapping="native", cache=DATA / "packs")
    matcher = Matcher(pack)
    figures: dict[str, Any] = {
        "rules": len(pack.rules),
        "cached start, s": time.perf_counter() - start,
    }
    figures["resident, MiB"] = resident_mib()
    gc.collect()
    gc.freeze()
    gc.disable()
    for name in ("fresh", "warm"):
        events = matches = 0
        start = time.process_time()
        with lines.open("rb") as file:
            for line in file:
                matches += len(matcher.match(orjson.loads(line), line))
                events += 1
        figures[name] = round(events / (time.process_time() - start))
    return figures | {"events": events, "matches": matches, "peak, MiB": resident_mib()}


def resident_mib() -> int:
    """The greatest resident memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def ours(rules: Path, lines: Path, processes: int = 1) -> dict[str, Any]:
    """The figures of processes at the same time: the mean of their speeds, the greatest of the rest."""
    command = [sys.executable, "-m", "bench.detect", "--rules", str(rules), "--one", str(lines)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    found = [json.loads(process.communicate()[0]) for process in running]
    return {
        key: sum(one[key] for one in found) // processes
        if key in SPEEDS
        else max(one[key] for one in found)
        for key in found[0]
    }


def theirs(program: Path, rules: Path, lines: Path) -> dict[str, int]:
    """The two speeds of another program."""
    command = [sys.executable, str(program), str(lines), str(rules)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    speeds = re.findall(r"(\d+) events per CPU second", done.stdout)
    return dict(zip(SPEEDS, map(int, speeds), strict=True))


def best(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The greatest speeds of the rounds, with the rest of the last one."""
    return rounds[-1] | {key: max(one[key] for one in rounds) for key in SPEEDS}


def main() -> int:
    """Measure both sets, each in a process of its own, beside the last figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=Path, help="default: the corpus's sigma/rules/windows")
    parser.add_argument("--beside", type=Path, help="another program, run in turn with ours")
    parser.add_argument("--rounds", type=int, default=2)
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
    for name in SETS_MADE:
        lines, rounds, other = DATA / f"{name}.jsonl", [], []
        for _ in range(given.rounds):
            rounds.append(ours(rules, lines))
            if given.beside:
                other.append(theirs(given.beside, rules, lines))
        figures[name] = best(rounds)
        _say(name, figures[name], last.get(name, {}))
        if other:
            _say(f"{name}, the other program", best(other), {})
            for key in SPEEDS:
                print(f"{name}, {key}: {figures[name][key] / best(other)[key]:.2f} times the other")
        _say(f"{name}, each of two processes", ours(rules, lines, 2), {})
    if given.rules is None and (every := corpus / "sigma").is_dir():
        for name in SETS_MADE:
            figures[f"{name}, all rules"] = ours(every, DATA / f"{name}.jsonl")
            _say(f"{name}, all rules", figures[f"{name}, all rules"], {})
    LAST.write_text(json.dumps(figures))
    return 0


def _say(name: str, figures: dict[str, Any], last: dict[str, Any]) -> None:
    for key, value in figures.items():
        shown = f"{value:.2f}" if isinstance(value, float) else f"{value}"
        before = f"   last {last[key]}" if key in SPEEDS and key in last else ""
        print(f"{name}: {key:15} {shown:>10}{before}")


if __name__ == "__main__":
    sys.exit(main())
