"""The journal, by a program that speaks as journalctl does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.agent import wire
from collectors.agent.inputs.journal import Journal
from collectors.agent.intake import Intake
from collectors.agent.notices import Notices
from collectors.agent.spool import Spool
from tests.agent.conftest import wait_until

PROGRAM = """#!/bin/sh
echo "$@" >> {folder}/asked
case "$*" in
  *--after-cursor=s=2*) echo '{{"__CURSOR":"s=3","MESSAGE":"three"}}' ;;
  *) echo '{{"__CURSOR":"s=1","MESSAGE":"one"}}'; echo '{{"__CURSOR":"s=2","MESSAGE":"two"}}' ;;
esac
exec sleep 60
"""


class Following:
    """The journal input at work over a spool."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.stop = Spool(folder), threading.Event()
        self.notices = Notices("host", is_quiet=True)
        self.intake = Intake(self.spool, self.notices, wake=threading.Event(), stop=self.stop)
        self.thread = threading.Thread(target=Journal().run, args=(self.intake, self.stop))
        self.thread.start()

    def close(self) -> None:
        self.stop.set()
        self.thread.join()
        self.spool.close()

    def lines(self) -> list[bytes]:
        frames, _ = self.spool._collect(self.spool.acked, None, 1 << 20)
        return [
            one.payload
            for frame in frames
            if frame.streams[0] == ("journal", "journal")
            for _, _, one in wire.walk_records(frame.block)
        ]


@pytest.fixture
def asked(tmp_path, monkeypatch) -> Iterator[Path]:
    """The file in which the program notes its arguments."""
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "asked"


def test_takes_lines_and_goes_on_after_its_cursor(asked, tmp_path):
    first = Following(tmp_path / "spool")
    wait_until(lambda: len(first.lines()) == 2)
    first.close()
    second = Following(tmp_path / "spool")
    wait_until(lambda: len(second.lines()) == 3)
    second.close()
    assert "--lines=0" in asked.read_text().splitlines()[0]
    assert "--after-cursor=s=2" in asked.read_text().splitlines()[1]


def test_a_machine_without_journalctl_is_a_blind_spot(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    following = Following(tmp_path / "spool")
    following.thread.join()
    assert following.notices.blind_spots == {"journal": "there is no journalctl on this machine"}
    following.close()
