"""How long is a forecast? All of SigmaHQ's rules over stored events: ``python -m bench.forecast [--events N]``.

The events are the public Windows recordings again and again with new ids and hosts, in a store of their own in a
temporary folder. The time of 10 million events is reckoned from theirs; ``make long-forecast`` takes so many (20 GB).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

from soc.cli.events import records_of
from soc.collect import discovery
from soc.detect.forecast import Forecaster
from soc.detect.matcher import Matcher
from soc.detect.packs import compile_pack
from soc.errors import RecordError
from soc.model.event import Event
from soc.model.scope import Scope
from soc.store.embedded import EmbeddedStore

DATA = Path(__file__).parent / "data"
PROVINCE = Scope.province("bench")
START = datetime(2026, 11, 1, tzinfo=UTC)
MONTHS = {"short": 1, "level3": 3, "level4": 6, "level5": 12, "own": 12}
TEN_MILLION = 10_000_000


def recorded(corpus: Path) -> list[Event]:
    found: list[Event] = []
    for path in sorted(corpus.rglob("*.evtx")):
        for record in records_of(path, "auto", START):
            try:
                found += discovery.read(record)
            except RecordError:
                continue
    return found


def history(events: list[Event], count: int) -> Iterator[Event]:
    for number, event in enumerate(islice(cycle(events), count)):
        at = START + timedelta(days=14) * number / count
        fields = {**event.fields, "host.name": f"may-{number % 2_500}"}
        yield replace(event, id=f"{number:032x}", observed_at=at, received_at=at, fields=fields)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    given = parser.parse_args()
    corpus = Path(os.environ.get("SOC_CORPUS", ""))
    if not (corpus / "sigma").is_dir():
        print("bench.forecast: set SOC_CORPUS to the folder of the public data", file=sys.stderr)
        return 2
    pack = compile_pack([corpus / "sigma"], cache=DATA / "packs")
    events = recorded(corpus)
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder), months=MONTHS, writable=True)
        began = time.perf_counter()
        waiting = history(events, given.events)
        while some := list(islice(waiting, 5_000)):
            store.append(PROVINCE, some)
        print(f"{given.events} events stored in {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        forecaster = Forecaster(Matcher(pack))
        forecaster.take(store.scan(PROVINCE, ""))
        found = forecaster.result()
        seconds = time.perf_counter() - began
        store.close()
    speed = found.events / seconds
    alerts = sum(one.alerts.total() for one in found.rules.values())
    print(f"{len(pack.rules) + len(pack.correlations)} rules over {found.events} stored events")
    print(f"  {seconds:.1f} s, {speed:.0f} events/s; {alerts} alerts of {len(found.rules)} rules")
    if found.events < TEN_MILLION:
        print(f"10 million events: {TEN_MILLION / speed / 60:.0f} minutes (reckoned)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
