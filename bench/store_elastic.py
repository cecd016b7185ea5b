"""Documents stored each second in one run: through our adapter, and by the client's own bulk helper.

    python -m bench.store_elastic --events 40000 --batch 2000

Both write the same documents (those of the adapter's mapping, made before the clock starts for the helper and within
the measured time for the adapter) into indices of the same template on the same node.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from elasticsearch import helpers

from bench.store import PROVINCE, events
from soc.model.event import Event
from soc.store.elastic.cluster import Account
from soc.store.elastic.document import Names, document_of
from soc.store.elastic.store import ElasticStore, Layout
from tests import elastic_node

MONTHS = {"short": 1, "level3": 3, "level4": 6, "level5": 12, "own": 12}


def through_the_adapter(store: ElasticStore, given: Sequence[Event], batch: int) -> float:
    """Seconds for all, reading nothing back."""
    started = time.perf_counter()
    for start in range(0, len(given), batch):
        store.append(PROVINCE, given[start : start + batch])
    return time.perf_counter() - started


def by_the_helper(store: ElasticStore, given: Sequence[Event], batch: int) -> float:
    """Seconds for the same documents as dictionaries, which is what the helper takes."""
    names = Names()
    ready = [orjson.loads(document_of(one, names)) for one in given]

    def actions() -> Iterator[dict[str, Any]]:
        for document in ready:
            yield {
                "_op_type": "create",
                "_index": "helper-events-short-2026-11-22",
                "_id": document["id"],
                "_source": document,
            }

    client = store._cluster.client
    started = time.perf_counter()
    for done, answer in helpers.streaming_bulk(client, actions(), chunk_size=batch):
        assert done, answer
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--batch", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    given = list(events(options.events))
    best = {"adapter": 0.0, "helper": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        try:
            node = elastic_node.start(Path(folder))
        except elastic_node.NodeMissing as error:
            print(f"skipped: {error} is missing")
            return
        account = Account(node.url)
        ours = ElasticStore(account, months=MONTHS, writable=True, layout=Layout("adapter"))
        theirs = ElasticStore(account, months=MONTHS, writable=True, layout=Layout("helper"))
        theirs._must_write()  # its template
        for _ in range(options.rounds):
            for name, seconds in (
                ("adapter", through_the_adapter(ours, given, options.batch)),
                ("helper", by_the_helper(theirs, given, options.batch)),
            ):
                best[name] = max(best[name], options.events / seconds)
            ours._cluster.client.indices.delete(
                index="adapter-events-short-2026-11-22,helper-events-short-2026-11-22"
            )
        ours.close()
        theirs.close()
        node.stop()
    ratio = best["adapter"] / best["helper"]
    print(f"through the adapter   {best['adapter']:8,.0f} documents/s, from event to acknowledged")
    print(f"the client's helper   {best['helper']:8,.0f} documents/s, from ready documents")
    print(f"adapter / helper      {ratio:8.2f}   (goal: at least 1)")


if __name__ == "__main__":
    main()
