"""A full disk, and what is expired when it fills."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from soc.errors import StoreError
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, NOON, PROVINCE, event


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB in memory."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(store: EmbeddedStore, acknowledged: list[str]) -> None:
    """Append until the store refuses, noting what it acknowledged."""
    for first in range(1, 100_000, 200):
        some = [event(n, raw=os.urandom(2_000), level=n % 6) for n in range(first, first + 200)]
        acknowledged += store.append(PROVINCE, some).stored


@pytest.mark.root
def test_a_full_disk_is_an_error_and_nothing_acknowledged_is_lost(small_disk: Path):
    store = EmbeddedStore(small_disk / "events", months=MONTHS, writable=True)
    acknowledged: list[str] = []
    with pytest.raises(StoreError, match="cannot be written"):
        fill(store, acknowledged)
    ids = {one.id for one in store.scan(PROVINCE, "")}
    assert len(acknowledged) > 200
    assert set(acknowledged) <= ids
    store.close()


@pytest.mark.root
def test_after_room_is_made_the_refused_batch_can_be_repeated(small_disk: Path):
    store = EmbeddedStore(small_disk / "events", months=MONTHS, writable=True)
    store.append(PROVINCE, [event(1)])
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(bytes(7 * 2**20))
    given = [event(n, raw=os.urandom(2_000)) for n in range(2, 302)]
    with pytest.raises(StoreError):
        store.append(PROVINCE, given)
    ballast.unlink()
    said = store.append(PROVINCE, given, maybe_stored=True)
    assert len(said.stored) + len(said.already) == 300
    assert store.count(PROVINCE, "") == 301
    store.close()


@pytest.mark.parametrize(
    ("used", "state"),
    [(0.5, "ok"), (0.8, "warn"), (0.89, "warn"), (0.9, "expire"), (0.95, "full"), (1.0, "full")],
)
def test_the_state_follows_the_disk(tmp_path: Path, used: float, state: str):
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=False, disk=lambda _: used)
    assert store.health(PROVINCE).state == state


def test_a_longer_keeping_by_setting_ends_when_the_disk_is_nearly_full(tmp_path: Path):
    """Between the law's minimum and the setting: kept at 89 %, dropped at 90 %."""
    used = [0.89]
    store = EmbeddedStore(
        tmp_path, months={**MONTHS, "short": 6}, writable=True, disk=lambda _: used[0]
    )
    store.append(PROVINCE, [event(1)])
    assert store.expire(PROVINCE, NOON + timedelta(days=60)) == []
    used[0] = 0.9
    assert [one.dropped for one in store.expire(PROVINCE, NOON + timedelta(days=60))] == [True]
    store.close()


def test_a_full_disk_drops_nothing_that_the_law_keeps(tmp_path: Path):
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True, disk=lambda _: 0.99)
    store.append(PROVINCE, [event(1), event(2, level=3)])
    assert store.expire(PROVINCE, NOON + timedelta(days=29)) == []
    store.close()


def test_a_setting_below_the_law_is_raised_to_it(tmp_path: Path):
    store = EmbeddedStore(tmp_path, months={"short": 0, "level5": 1}, writable=True)
    store.append(PROVINCE, [event(1), event(2, level=5)])
    dropped = store.expire(PROVINCE, NOON + timedelta(days=40))
    assert [one.partition for one in dropped] == ["short-2026-11-22"]
    store.close()


def test_a_february_still_keeps_thirty_days(tmp_path: Path):
    """One month after 31 January is 28 February."""
    arrived = NOON.replace(year=2027, month=1, day=31)
    store = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    store.append(PROVINCE, [event(1, received_at=arrived)])
    assert store.expire(PROVINCE, arrived + timedelta(days=30)) == []
    assert len(store.expire(PROVINCE, arrived + timedelta(days=31))) == 1
    store.close()
