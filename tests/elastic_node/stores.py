"""Stores on the node of the tests, each under a prefix of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

from soc.store.elastic.cluster import Account
from soc.store.elastic.store import ElasticStore, Layout
from tests.store.events import MONTHS

fresh = itertools.count(1)


def make_elastic_store(url: str, *, refresh: bool = True) -> Iterator[ElasticStore]:
    """An empty store; its indices are dropped afterwards."""
    prefix = f"t{os.getpid()}-{next(fresh)}"
    store = ElasticStore(
        Account(url), months=MONTHS, writable=True, layout=Layout(prefix, refresh=refresh)
    )
    yield store
    with store._cluster.doing("the test's indices cannot be dropped") as client:
        for index in client.indices.get_alias(index=f"{prefix}-*").body:
            client.indices.delete(index=index)
        client.options(ignore_status=404).indices.delete_index_template(name=f"{prefix}-events")
    store.close()
