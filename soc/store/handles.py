"""Open indexes: readers that notice commits of another process, and the few writers of this one."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import IO

import tantivy

from soc.errors import StoreError
from soc.store.document import WORDS, words_analyzer
from soc.store.faults import faults
from soc.store.partitions import Partition, Shelf, sync

OPEN_READERS = 128
OPEN_WRITERS = 8  # five classes, and a midnight; closing one that is in use would end its merges
WRITER_HEAP = (
    50_000_000  # bytes; with less, a commit of some thousand events makes several segments to merge
)
IDLE_SECONDS = 60.0


class Reader:
    """One partition open for reading."""

    def __init__(self, path: Path) -> None:
        self._meta = path / "meta.json"
        self._stamp = self._stat()
        self.index = tantivy.Index.open(str(path))
        self.index.register_tokenizer(WORDS, words_analyzer())
        self.index.config_reader("manual")
        self.index.reload()
        self._lock = threading.Lock()

    def _stat(self) -> tuple[int, int, int]:
        state = self._meta.stat()
        return state.st_ino, state.st_mtime_ns, state.st_size

    def searcher(self) -> tantivy.Searcher:
        """A searcher of the last commit."""
        with self._lock:
            stamp = self._stat()
            if stamp != self._stamp:
                self.index.reload()
                self._stamp = stamp
            return self.index.searcher()


class Readers:
    """Readers by partition; the least used are closed."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._open: OrderedDict[tuple[str, int], Reader] = OrderedDict()
        self._lock = threading.Lock()

    def searcher(self, partition: Partition) -> tantivy.Searcher | None:
        """A searcher of the partition; None when it has been dropped meanwhile.

        Raises:
            StoreError: it is there and cannot be read.
        """
        path = self._shelf.path(partition)
        try:
            with faults(f"the partition {partition.name} cannot be read"):
                return self._reader(path).searcher()
        except StoreError:
            if path.is_dir():
                raise
            return None

    def _reader(self, path: Path) -> Reader:
        key = (path.name, path.stat().st_ino)
        with self._lock:
            reader = self._open.pop(key, None) or Reader(path / "index")
            self._open[key] = reader
            while len(self._open) > OPEN_READERS:
                self._open.popitem(last=False)
            return reader

    def close(self) -> None:
        with self._lock:
            self._open.clear()


class Writers:
    """Writers by partition. Used under the store's own lock, by one thread at a time."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._open: OrderedDict[Partition, tuple[tantivy.IndexWriter, float]] = OrderedDict()

    def writer(self, partition: Partition) -> tantivy.IndexWriter:
        """The writer of a partition, which is made if it is not there."""
        held = self._open.pop(partition, None)
        self._shelf.create(partition)
        writer = held[0] if held else self._new(partition)
        self._open[partition] = (writer, time.monotonic())
        while len(self._open) > OPEN_WRITERS:
            self._open.popitem(last=False)
        return writer

    def _new(self, partition: Partition) -> tantivy.IndexWriter:
        with faults(f"the partition {partition.name} cannot be written"):
            index = tantivy.Index.open(str(self._shelf.index(partition)))
            index.register_tokenizer(WORDS, words_analyzer())
            return index.writer(WRITER_HEAP, 1)

    def commit(self, partition: Partition) -> None:
        """Commit what was added, durably: the engine syncs its files and then renames one without a sync."""
        writer, _ = self._open[partition]
        writer.commit()
        sync(self._shelf.index(partition))

    def forget(self, partition: Partition) -> None:
        """Close a writer with what it has not committed."""
        self._open.pop(partition, None)

    def close_idle(self) -> None:
        """Close writers that have not been used for a while; their memory goes."""
        before = time.monotonic() - IDLE_SECONDS
        for partition, (_, used) in list(self._open.items()):
            if used < before:
                del self._open[partition]

    def close(self) -> None:
        self._open.clear()

    def __len__(self) -> int:
        return len(self._open)


class WriterLock:
    """Only one process writes to a store: a lock on a file of its folder, which a killed process loses."""

    def __init__(self, home: Path) -> None:
        path = home / "writer.lock"
        self._file: IO[str] = path.open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            other = self._file.read().strip() or "unknown"
            self._file.close()
            raise StoreError(
                f"the events in {home} are being written by another process (number {other}); "
                "stop it, or open the store for reading only"
            ) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        self._file.close()
