"""The embedded store alone: events stored each second, bytes on disk, latencies of searches.

    python -m bench.store --events 200000 --batch 2000

Events are made here: 24 fields, a raw record of about 1,400 bytes, a new command line and process id in each.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from soc.model.event import Event, event_id
from soc.model.scope import Scope
from soc.store.embedded import EmbeddedStore

PROVINCE = Scope.province()
START = datetime(2026, 11, 22, 1, tzinfo=UTC)
PROGRAMS = ("powershell.exe", "cmd.exe", "svchost.exe", "chrome.exe", "rundll32.exe", "python.exe")
QUERIES = {
    "one term": "user.name:user77",
    "two terms": "event.code:1 AND host.name:may-012.so-y-te.gov.vn",
    "network": "source.ip:10.20.0.0/16",
    "number range": "process.pid:[5000 TO 5100]",
    "bare word": "powershell",
    "phrase": '"encodedcommand 4242"',
    "wildcard both ends": "process.command_line:*command*99*",
    "regular expression": "process.executable:/.*(cmd|rundll32)\\.exe/",
}
AGGREGATIONS = {
    "terms of host": {"a": {"terms": {"field": "host.name", "size": 20}}},
    "hours with codes": {
        "a": {
            "date_histogram": {"field": "@timestamp", "fixed_interval": "1h"},
            "aggs": {"b": {"terms": {"field": "event.code"}}},
        }
    },
    "different addresses": {"a": {"cardinality": {"field": "source.ip"}}},
    "terms of command line": {"a": {"terms": {"field": "process.command_line", "size": 10}}},
}


def events(count: int) -> Iterator[Event]:
    """Process starts as Sysmon reports them, the same at every run."""
    chance = random.Random(7)
    for number in range(count):
        yield event(number, chance)


def event(number: int, chance: random.Random) -> Event:
    """One of them."""
    host = f"MAY-{chance.randrange(200):03}.so-y-te.gov.vn"
    program = chance.choice(PROGRAMS)
    executable = f"C:\\Windows\\System32\\{program}"
    line = f'"{executable}" -NoProfile -EncodedCommand {number} /c {chance.getrandbits(64):x}'
    at = START + timedelta(milliseconds=number * 20)
    user = f"USER{chance.randrange(300)}"
    fields: dict[str, object] = {
        "event.code": str(chance.choice((1, 3, 4624, 4688))),
        "event.module": "windows",
        "event.dataset": "windows.sysmon",
        "event.category": ["process"],
        "event.type": ["start"],
        "host.name": host,
        "host.os.type": "windows",
        "user.name": user,
        "source.ip": f"10.{chance.randrange(40)}.{chance.randrange(256)}.{chance.randrange(256)}",
        "process.name": program,
        "process.executable": executable,
        "process.command_line": line,
        "process.pid": chance.randrange(65_536),
        "process.parent.executable": "C:\\Windows\\explorer.exe",
        "winlog.channel": "Microsoft-Windows-Sysmon/Operational",
        "winlog.provider_name": "Microsoft-Windows-Sysmon",
        "winlog.computer_name": host,
        "winlog.record_id": number,
        "winlog.event_data.Image": executable,
        "winlog.event_data.CommandLine": line,
        "winlog.event_data.User": f"SOYTE\\{user}",
        "winlog.event_data.ProcessGuid": f"{{{chance.getrandbits(128):032x}}}",
        "winlog.event_data.UtcTime": at.isoformat(),
        "winlog.event_data.IntegrityLevel": "Medium",
    }
    raw = "".join(f'<Data Name="{name}">{value}</Data>' for name, value in fields.items())
    return Event(
        id=event_id("bench", "00", "s", number + 1, 0),
        source="windows_xml",
        observed_at=at,
        received_at=START + timedelta(milliseconds=number * 20 + 400),
        fields=fields,  # type: ignore[arg-type]
        raw=raw.encode(),
        agency_id=f"agency-{number % 40}",
        host=host,
    )


def store_all(store: EmbeddedStore, count: int, batch: int) -> None:
    """Append them in batches and print what it took; making the events is not counted."""
    wall = own = cpu = 0.0
    source = events(count)
    while some := list(itertools.islice(source, batch)):
        before = time.perf_counter(), time.thread_time(), time.process_time()
        store.append(PROVINCE, some)
        after = time.perf_counter(), time.thread_time(), time.process_time()
        wall, own, cpu = (
            total + b - a for total, a, b in zip((wall, own, cpu), before, after, strict=True)
        )
    health = store.health(PROVINCE)
    print(f"stored            {count / wall:10,.0f} events/s, {batch} in a commit")
    print(f"this thread       {own / count * 1e6:10.1f} µs CPU an event")
    print(f"whole process     {cpu / count * 1e6:10.1f} µs CPU an event")
    print(
        f"on disk           {health.size_bytes / count:10,.0f} bytes an event (raw bytes included)"
    )


def latency(label: str, ask: Callable[[], object], times: int = 11) -> None:
    """Median and worst of several runs, in milliseconds."""
    spent = []
    for _ in range(times):
        before = time.perf_counter()
        ask()
        spent.append((time.perf_counter() - before) * 1000)
    print(f"{label:28} median {statistics.median(spent):8.1f} ms   worst {max(spent):8.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=2_000)
    asked = parser.parse_args()
    months = {"short": 1}
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        before = process.memory_info().rss
        store = EmbeddedStore(Path(folder), months=months, writable=True)
        store_all(store, asked.events, asked.batch)
        grown = (process.memory_info().rss - before) / 2**20
        print(f"memory            {grown:10.0f} MiB more resident than before")
        reader = EmbeddedStore(Path(folder), months=months, writable=False)
        for name, query in QUERIES.items():
            total = reader.search(PROVINCE, query).total
            latency(f"{name} ({total})", lambda query=query: reader.search(PROVINCE, query))  # type: ignore[misc]
        for name, aggs in AGGREGATIONS.items():
            latency(name, lambda aggs=aggs: reader.aggregate(PROVINCE, "", aggs))  # type: ignore[misc]
        reader.close()
        store.close()


if __name__ == "__main__":
    main()
