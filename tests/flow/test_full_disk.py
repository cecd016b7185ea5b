"""A disk that fills up: what was acknowledged stays, the rest waits at the agent, and all of it arrives in the end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing as component_missing
from tests.flow.real_processes import Site, wait_for
from tests.flow.test_kill import Acknowledged, Log, assert_stored_exactly_once, record

BYTES = 96 * 2**20
RECORDS = 3000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 96 MiB, mounted for this test."""
    if os.geteuid() != 0:
        component_missing("root, who may mount a tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path, leave_bytes: int) -> Path:
    """A file that takes all the room but ``leave_bytes``."""
    room = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave_bytes)
    return filler


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(
    ("leave_bytes", "answers", "kill"),
    [(BYTES // 25, ("429",), False), (0, ("429", "503"), False), (0, ("429", "503"), True)],
    ids=["nearly full", "not a byte left", "not a byte left and killed"],
)
def test_nothing_acknowledged_is_lost_when_the_disk_fills(
    small_disk, tmp_path, leave_bytes, answers, kill
):
    """The door says come back later, and takes all once there is room, killed meanwhile or not."""
    site = Site.prepare(small_disk / "site")
    log = Log(tmp_path / "logs")
    site.start_door()
    try:
        site.wait_for_door()
        paths = [str(tmp_path / "logs" / "*.log")]
        inputs = [{"kind": "file", "paths": paths, "source": "json_lines"}]
        agent = site.enrol("one", inputs, parent=tmp_path)
        site.start_agent(agent)
        acknowledged = Acknowledged(site.reading())
        log.write(RECORDS // 3)
        wait_for("the first records", lambda: acknowledged.records() >= RECORDS // 3)
        filler = fill(small_disk, leave_bytes)
        if leave_bytes:
            wait_for("the door to see it", lambda: not site.door_is_ok(), 30)
        log.write(RECORDS // 3)
        wait_for(f"an answer {answers}", lambda: last_answer(agent).startswith(answers))
        before = acknowledged.records()
        if kill:
            site.kill_door()
            site.start_door()
        filler.unlink()
        log.write(RECORDS // 3)
        wait_for("all records", lambda: acknowledged.records() >= RECORDS, 120)
    finally:
        site.stop()
    assert before < RECORDS
    assert_stored_exactly_once(site, [record(n) for n in range(1, RECORDS + 1)])


def last_answer(agent: Path) -> str:
    """What the door last said to the agent."""
    try:
        return str(json.loads((agent / "status.json").read_bytes())["last_answer"])
    except FileNotFoundError:
        return ""
