"""Readers beside a writer: they see commits, new partitions and dropped ones."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

from soc.model.event import Event
from soc.ports import Page
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, NOON, PROVINCE, event, numbers

COUNT = """
import sys
from pathlib import Path
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, PROVINCE

store = EmbeddedStore(Path(sys.argv[1]), months=MONTHS, writable=False)
for line in sys.stdin:
    print(store.count(PROVINCE, line.strip()), flush=True)
"""


def test_a_reader_process_sees_commits_and_new_partitions_at_once(tmp_path: Path):
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    arguments = [sys.executable, "-c", COUNT, str(tmp_path)]
    reader = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdin is not None
    assert reader.stdout is not None
    counts = []
    for number in range(1, 8):
        store.append(PROVINCE, [event(number, received_at=NOON + timedelta(days=number // 3))])
        reader.stdin.write("*\n")
        reader.stdin.flush()
        counts.append(int(reader.stdout.readline()))
    reader.communicate()
    store.close()
    assert counts == [1, 2, 3, 4, 5, 6, 7]


def test_a_reader_of_an_absent_folder_finds_nothing(tmp_path: Path):
    reader = EmbeddedStore(tmp_path / "none", months=MONTHS, writable=False)
    assert reader.search(PROVINCE, "").total == 0


def test_reading_while_writing_never_fails_and_never_goes_back(tmp_path: Path):
    """Many small commits with their merges, read by two threads."""
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    reader = EmbeddedStore(tmp_path, months=MONTHS, writable=False)
    done = threading.Event()
    pages: list[Page] = []
    faults: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                pages.append(reader.search(PROVINCE, "process.pid:[0 TO *]", size=5))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for first in range(0, 600, 20):
        store.append(PROVINCE, [event(n, {"process.pid": n}) for n in range(first, first + 20)])
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert not any(page.partial for page in pages)
    assert reader.count(PROVINCE, "") == 600
    store.close()


def test_a_scan_survives_the_drop_of_its_partition(tmp_path: Path):
    """An open scan keeps what it has opened."""
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    store.append(PROVINCE, [event(n) for n in range(50)])
    reader = EmbeddedStore(tmp_path, months=MONTHS, writable=False)
    scan = reader.scan(PROVINCE, "")
    first = next(scan)
    store.expire(PROVINCE, NOON + timedelta(days=400))
    assert numbers([first, *scan]) == list(range(50))
    store.close()


def test_a_dropped_partition_is_no_failure_for_a_reader(tmp_path: Path):
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    store.append(PROVINCE, [event(1), event(2, level=5)])
    reader = EmbeddedStore(tmp_path, months=MONTHS, writable=False)
    assert reader.count(PROVINCE, "") == 2
    store.expire(PROVINCE, NOON + timedelta(days=60))
    page = reader.search(PROVINCE, "")
    assert (numbers(page.events), page.partial) == ([2], False)
    store.close()


def test_a_broken_partition_makes_a_page_partial_and_names_itself(tmp_path: Path):
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    store.append(PROVINCE, [event(1), event(2, level=5)])
    store.close()
    (tmp_path / "short-2026-11-22" / "index" / "meta.json").write_text("{")
    page = EmbeddedStore(tmp_path, months=MONTHS, writable=False).search(PROVINCE, "")
    assert numbers(page.events) == [2]
    assert page.partial
    assert "short-2026-11-22" in page.partial_reason


def test_partitions_outside_the_window_are_not_opened(tmp_path: Path):
    """The broken one is of another day."""
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    tomorrow = NOON + timedelta(days=1)
    store.append(PROVINCE, [event(1), event(2, observed_at=tomorrow, received_at=tomorrow)])
    store.close()
    (tmp_path / "short-2026-11-22" / "index" / "meta.json").write_text("{")
    reader = EmbeddedStore(tmp_path, months=MONTHS, writable=False)
    page = reader.search(PROVINCE, "", start=NOON + timedelta(hours=20))
    assert (numbers(page.events), page.partial) == ([2], False)


def test_partitions_are_days_and_weeks_of_vietnam(tmp_path: Path):
    """Sunday 22 November 17:00 UTC is already Monday there, in another week."""
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    late = NOON.replace(hour=17)
    own = {"event.dataset": "soc.agent"}
    given = [event(level, level=level) for level in range(1, 6)]
    given += [
        event(10, own, level=3),
        event(11, received_at=late),
        event(12, received_at=late, level=4),
    ]
    store.append(PROVINCE, given)
    store.close()
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_dir()) == [
        "level3-2026-11-22",
        "level4-2026-W47",
        "level4-2026-W48",
        "level5-2026-W47",
        "own-2026-W47",
        "short-2026-11-22",
        "short-2026-11-23",
    ]


def test_only_a_few_writers_stay_open(tmp_path: Path):
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    given: list[Event] = [event(n, received_at=NOON + timedelta(days=n)) for n in range(12)]
    store.append(PROVINCE, given)
    assert store.health(PROVINCE).detail["open_writers"] <= 8
    store.close()
