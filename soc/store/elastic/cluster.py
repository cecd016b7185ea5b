"""The way to the cluster: one client, every fault as a StoreError whose sentence says what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from elastic_transport import ConnectionError as Unreachable
from elastic_transport import TransportError
from elasticsearch import ApiError, AuthenticationException, Elasticsearch, UnsupportedProductError

from soc.errors import QueryError, SettingsError, StoreError

BUSY = frozenset({429, 503})
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)  # seconds before each repeat of what was refused as busy
CALL_SECONDS = 60.0
BULK_BYTES = 2 * 2**20  # of one request
SENDERS = 2  # requests on their way at once, by one process
TOO_MUCH = ("too_many_buckets_exception", "too_many_clauses", "too_many_nested_clauses")


@dataclass(frozen=True, slots=True)
class Account:
    """How to reach a cluster. ``password_file`` holds the password alone; ``authority`` is the CA's PEM file."""

    url: str
    user: str = ""
    password_file: Path | None = None
    authority: Path | None = None

    def client(self) -> Elasticsearch:
        """Raises SettingsError when a file cannot be read or the URL is none."""
        options: dict[str, Any] = {"request_timeout": CALL_SECONDS, "max_retries": 0}
        try:
            if self.user:
                password = self.password_file.read_text().strip() if self.password_file else ""
                options["basic_auth"] = (self.user, password)
            if self.authority is not None:
                self.authority.read_bytes()
                options["ca_certs"] = str(self.authority)
            return Elasticsearch(self.url.split(","), **options)
        except (OSError, ValueError) as error:
            raise SettingsError(f"Elasticsearch at {self.url} cannot be used: {error}") from error


@dataclass(frozen=True, slots=True)
class Item:
    """One action of a bulk: its line, its document (None to delete)."""

    action: bytes
    document: bytes | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item: the status of HTTP and the reason, empty when it was done."""

    status: int
    reason: str = ""


@contextmanager
def faults(doing: str, url: str) -> Iterator[None]:
    """Raise what the client raises as the store's errors."""
    try:
        yield
    except ApiError as error:
        raise _of_answer(doing, url, error) from error
    except UnsupportedProductError as error:
        raise StoreError(
            f"{doing}: what answers at {url} is not Elasticsearch 8 or later; check the address"
        ) from error
    except Unreachable as error:
        raise StoreError(
            f"{doing}: no node of Elasticsearch answers at {url}; start it, or correct the address"
        ) from error
    except TransportError as error:
        raise StoreError(f"{doing}: Elasticsearch at {url}: {error}") from error


def _of_answer(doing: str, url: str, error: ApiError) -> StoreError | QueryError:
    reason = _reason(error.body)
    kinds = str(error.body)
    if any(kind in kinds for kind in TOO_MUCH):
        return QueryError("too many buckets or parts; ask for less", query=reason[:200])
    if isinstance(error, AuthenticationException) or error.status_code == 403:
        if "cluster_block" in kinds:
            return StoreError(f"{doing}: {READ_ONLY} ({reason})")
        return StoreError(
            f"{doing}: Elasticsearch at {url} refuses the user or the password; correct them in the settings"
        )
    if "media_type_header_exception" in kinds or "compatible-with" in reason:
        return StoreError(
            f"{doing}: Elasticsearch at {url} is of another major version than this program speaks (9); "
            "update the server"
        )
    if error.status_code in BUSY:
        return StoreError(f"{doing}: Elasticsearch at {url} is too busy; it is tried again later")
    return StoreError(f"{doing}: Elasticsearch answers {error.status_code}: {reason}")


READ_ONLY = (
    "Elasticsearch has set the index to read-only, as it does when a disk is nearly full; "
    "make room or add a node"
)


def _reason(body: Any) -> str:
    if isinstance(body, dict):
        error = body.get("error")
        if isinstance(error, dict):
            causes = error.get("root_cause") or [error]
            return f"{causes[0].get('type')}: {causes[0].get('reason')}"[:500]
        return str(error or body)[:500]
    return str(body)[:500]


class Cluster:
    """One client with its repeats. Threads may share it. ``sleep`` takes seconds."""

    def __init__(self, account: Account, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url = account.url
        self.client = account.client()
        self._sleep = sleep
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="elastic")

    @contextmanager
    def doing(self, what: str) -> Iterator[Elasticsearch]:
        with faults(what, self.url):
            yield self.client

    def bulk(self, items: Iterable[Item], *, refresh: bool = False) -> list[Outcome]:
        """Carry out every item, in their order; those refused as busy are repeated alone.

        ``items`` may be made while those before them are on their way.

        Raises:
            StoreError: the cluster is away, or still busy after the last repeat. Items may then have been done.
        """
        kept: list[Item] = []
        outcomes: dict[int, Outcome] = {}
        waiting: Iterable[tuple[int, Item]] = enumerate(items)
        for pause in (*PAUSES, None):
            for some, answers in self._send_all(waiting, refresh):
                kept.extend(item for place, item in some if place >= len(kept))
                outcomes.update(zip((place for place, _ in some), answers, strict=True))
            busy = [place for place, outcome in outcomes.items() if outcome.status in BUSY]
            if not busy:
                break
            reason = outcomes[busy[0]].reason
            if "cluster_block" in reason:
                raise StoreError(f"the events cannot be written: {READ_ONLY} ({reason})")
            if pause is None:
                raise StoreError(
                    f"Elasticsearch at {self.url} is too busy: {len(busy)} of {len(kept)} events were refused "
                    f"{len(PAUSES) + 1} times ({reason})"
                )
            self._sleep(pause)
            waiting = [(place, kept[place]) for place in busy]
        return [outcomes[place] for place in range(len(kept))]

    def _send_all(
        self, numbered: Iterable[tuple[int, Item]], refresh: bool
    ) -> Iterator[tuple[list[tuple[int, Item]], list[Outcome]]]:
        """Send portions, a few at once, and give their answers in order."""
        sent = []
        for some in _portions(numbered):
            request = self._senders.submit(self._send, [item for _, item in some], refresh)
            sent.append((some, request))
        for some, request in sent:
            yield some, request.result()

    def _send(self, items: Sequence[Item], refresh: bool) -> list[Outcome]:
        """One request; when it is refused as a whole for being busy, that is each item's outcome."""
        lines = b"".join(
            item.action + b"\n" + (b"" if item.document is None else item.document + b"\n")
            for item in items
        )
        with self.doing("the events cannot be written") as client:
            try:
                answer = client.perform_request(
                    "POST",
                    "/_bulk",
                    params={"refresh": "true"} if refresh else {},
                    headers=NDJSON,
                    body=lines,
                )
            except ApiError as error:
                if error.status_code not in BUSY:
                    raise
                return [Outcome(error.status_code, _reason(error.body))] * len(items)
        return [_outcome(one) for one in answer.body["items"]]

    def close(self) -> None:
        self._senders.shutdown()
        self.client.close()


NDJSON = {
    "accept": "application/vnd.elasticsearch+json; compatible-with=9",
    "content-type": "application/vnd.elasticsearch+x-ndjson; compatible-with=9",
}


def _portions(numbered: Iterable[tuple[int, Item]]) -> Iterator[list[tuple[int, Item]]]:
    """Items whose documents are together no larger than one request should be."""
    some: list[tuple[int, Item]] = []
    size = 0
    for place, item in numbered:
        length = len(item.document or b"")
        if some and size + length > BULK_BYTES:
            yield some
            some, size = [], 0
        some.append((place, item))
        size += length
    if some:
        yield some


def _outcome(item: dict[str, Any]) -> Outcome:
    ((_, result),) = item.items()
    error = result.get("error")
    if not error:
        return Outcome(result["status"])
    cause = error.get("caused_by") or {}
    reason = f"{error.get('type')}: {error.get('reason')}"
    whole = f"{reason} ({cause.get('reason')})" if cause else reason
    return Outcome(result["status"], whole[:500])


def action(kind: str, index: str, identity: str) -> bytes:
    """The line before a document: ``create``, ``index`` or ``delete``."""
    return orjson.dumps({kind: {"_index": index, "_id": identity}})
