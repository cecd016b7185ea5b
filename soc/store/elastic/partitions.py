"""Partitions as plain indices: ``<prefix>-events-<class>-<period>`` and ``<prefix>-held-<class>-<period>``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from soc.model.event import Event
from soc.store.elastic.cluster import Cluster
from soc.store.elastic.document import Names, event_of, index_template, path_of
from soc.store.partitions import Partition

LOOKED_UP_AT_ONCE = 1_000


class Indices:
    """The indices of one site."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self.cluster, self.prefix = cluster, prefix
        self._names: dict[str, Names] = {}

    def name(self, partition: Partition) -> str:
        kind = "held" if partition.held else "events"
        return f"{self.prefix}-{kind}-{partition.kept}-{partition.period.lower()}"

    def partition(self, index: str) -> Partition | None:
        """The partition of an index's name; None for an index that is not ours."""
        kind, _, rest = index.removeprefix(f"{self.prefix}-").partition("-")
        if kind not in ("events", "held"):
            return None
        found = Partition.from_name(rest.replace("-w", "-W"))
        return found and Partition(found.period, found.kept, held=kind == "held")

    def prepare(self, *, shards: int, replicas: int) -> None:
        """Put the template that every new index takes its mapping from."""
        template = index_template(self.prefix, shards=shards, replicas=replicas)
        with self.cluster.doing("the index template cannot be written") as client:
            client.indices.put_index_template(
                name=f"{self.prefix}-events",
                index_patterns=template["index_patterns"],
                priority=template["priority"],
                template=template["template"],
            )

    def present(self) -> list[Partition]:
        """Every partition, oldest period first."""
        with self.cluster.doing("the partitions cannot be listed") as client:
            answer = client.indices.get_alias(index=f"{self.prefix}-*")
        found = [self.partition(index) for index in answer.body]
        return sorted(one for one in found if one is not None)

    def readable(self) -> list[Partition]:
        """Those that a search looks into: held copies only where the original has gone."""
        present = self.present()
        originals = {(one.period, one.kept) for one in present if not one.held}
        return [one for one in present if not (one.held and (one.period, one.kept) in originals)]

    def names_of(self, partition: Partition) -> Names:
        """The names that have fields in an index; read from its mapping once."""
        index = self.name(partition)
        known = self._names.get(index)
        if known is None:
            known = self._names[index] = Names(self._mapped(index))
        return known

    def _mapped(self, index: str) -> set[str]:
        with self.cluster.doing(f"the mapping of {index} cannot be read") as client:
            answer = client.indices.get_mapping(index=index, ignore_unavailable=True)
        found: set[str] = set()
        for body in answer.body.values():
            properties = body["mappings"].get("properties", {})
            for part in ("x", "n"):
                found |= set(properties.get(part, {}).get("properties", {}))
        return {name for name in found if path_of(name) == name}

    def forget(self, partition: Partition) -> None:
        self._names.pop(self.name(partition), None)

    def look_up(
        self, wanted: Iterable[tuple[Partition, str]]
    ) -> dict[tuple[Partition, str], tuple[Event, frozenset[str]]]:
        """Events with the names of their holds, by partition and id, as written a moment ago."""
        pairs = list(wanted)
        found: dict[tuple[Partition, str], tuple[Event, frozenset[str]]] = {}
        for start in range(0, len(pairs), LOOKED_UP_AT_ONCE):
            some = pairs[start : start + LOOKED_UP_AT_ONCE]
            for pair, answer in zip(some, self._many(some), strict=True):
                if answer.get("found"):
                    source = answer["_source"]
                    found[pair] = event_of(source), frozenset(source.get("hold", ()))
        return found

    def _many(self, pairs: Sequence[tuple[Partition, str]]) -> list[dict[str, Any]]:
        asked = [{"_index": self.name(partition), "_id": identity} for partition, identity in pairs]
        with self.cluster.doing("ids cannot be looked up") as client:
            answer = client.mget(docs=asked, source_includes=["doc", "hold"])
        return list(answer.body["docs"])

    def refresh(self, partitions: Iterable[Partition]) -> None:
        names = [self.name(one) for one in partitions]
        if names:
            with self.cluster.doing("the events cannot be made searchable") as client:
                client.indices.refresh(index=names, ignore_unavailable=True)

    def drop(self, partition: Partition) -> None:
        with self.cluster.doing(f"the index {self.name(partition)} cannot be dropped") as client:
            client.indices.delete(index=self.name(partition), ignore_unavailable=True)
        self.forget(partition)
