"""Following files: rotation, truncation, late creation, odd bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.agent import wire
from collectors.agent.inputs.file_tail import FileTail
from collectors.agent.intake import Intake
from collectors.agent.notices import Notices
from collectors.agent.spool import Spool
from tests.agent.conftest import wait_until


class Follower:
    """A tail at work over a spool; started and stopped at will."""

    def __init__(self, folder: Path, pattern: str, **options) -> None:
        self.folder, self.pattern, self.options = folder, pattern, options
        self.intake: Intake | None = None

    def start(self) -> None:
        self.stop_event = threading.Event()
        self.spool = Spool(self.folder)
        notices = Notices("host", is_quiet=True)
        self.intake = Intake(self.spool, notices, wake=threading.Event(), stop=self.stop_event)
        tail = FileTail([self.pattern], **self.options)
        self.thread = threading.Thread(target=tail.run, args=(self.intake, self.stop_event))
        self.thread.start()

    def stop(self) -> None:
        if self.intake is not None:
            self.stop_event.set()
            self.thread.join()
            self.spool.close()
            self.intake = None

    def lines(self, path: Path) -> list[bytes]:
        """What has come of a file, in order; the numbers are checked to be without gaps."""
        records = [
            one
            for number in sorted(self.folder.glob("*.seg"))
            for frame in self._frames(number)
            for _, _, one in wire.walk_records(frame.block)
            if frame.streams[0][0] == f"file:{path}"
        ]
        assert [one.sequence for one in records] == list(range(1, len(records) + 1))
        return [one.payload for one in records]

    def _frames(self, path: Path):
        from collectors.agent.segments import frames

        return [one for one in frames(self.folder, int(path.stem)) if one.is_shipped]


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "logs" / "a.log"


@pytest.fixture
def follower(tmp_path, log) -> Iterator[Follower]:
    log.parent.mkdir()
    made = Follower(tmp_path / "spool", str(log))
    yield made
    made.stop()


def add(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_takes_what_is_there_and_what_comes(follower, log):
    add(log, b"one\ntwo\n")
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"one", b"two"])
    add(log, b"three\n")
    wait_until(lambda: follower.lines(log) == [b"one", b"two", b"three"])


def test_begins_at_the_end_when_asked_but_takes_late_files_whole(follower, log, tmp_path):
    add(log, b"old\n")
    follower.pattern, follower.options = str(log.parent / "*.log"), {"start": "end"}
    follower.start()
    wait_until(lambda: follower.spool.position(f"file:{log}"))
    add(log, b"new\n")
    late = log.parent / "late.log"
    add(late, b"first\n")
    wait_until(lambda: follower.lines(log) == [b"new"] and follower.lines(late) == [b"first"])


def test_waits_for_a_file_that_is_not_there_yet(follower, log):
    follower.start()
    add(log, b"late\n")
    wait_until(lambda: follower.lines(log) == [b"late"])


def test_keeps_a_line_back_until_its_newline(follower, log):
    add(log, b"whole\nhal")
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"whole"])
    add(log, b"f\n")
    wait_until(lambda: follower.lines(log) == [b"whole", b"half"])


def test_follows_a_rotation_without_losing_the_old_files_last_lines(follower, log):
    add(log, b"one\n")
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"one"])
    old = log.with_suffix(".log.1")
    log.rename(old)
    add(log, b"three\n")
    add(old, b"two\n")
    wait_until(lambda: follower.lines(log) == [b"one", b"two", b"three"])


def test_a_last_line_without_newline_is_taken_when_its_file_is_rotated(follower, log):
    add(log, b"one\ntail")
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"one"])
    log.rename(log.with_suffix(".log.1"))
    add(log, b"new\n")
    wait_until(lambda: follower.lines(log) == [b"one", b"tail", b"new"])


def test_begins_anew_after_a_truncation(follower, log):
    add(log, b"one\ntwo\n")
    follower.start()
    wait_until(lambda: len(follower.lines(log)) == 2)
    os.truncate(log, 0)
    add(log, b"3\n")
    wait_until(lambda: follower.lines(log) == [b"one", b"two", b"3"])


def test_sees_a_truncation_even_if_the_file_has_grown_past_the_old_end(follower, log):
    add(log, b"one\ntwo\n")
    follower.start()
    wait_until(lambda: len(follower.lines(log)) == 2)
    log.write_bytes(b"another beginning\nand more\n")
    wanted = [b"one", b"two", b"another beginning", b"and more"]
    wait_until(lambda: follower.lines(log) == wanted)


def test_goes_on_where_it_was_after_a_restart(follower, log):
    add(log, b"one\n")
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"one"])
    follower.stop()
    add(log, b"two\n")
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"one", b"two"])


def test_finds_a_file_that_was_rotated_while_it_was_away(follower, log):
    add(log, b"one\n")
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"one"])
    follower.stop()
    add(log, b"two\n")
    log.rename(log.with_suffix(".log.1"))
    add(log, b"three\n")
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"one", b"two", b"three"])


def test_keeps_bytes_that_are_not_utf8_and_a_two_megabyte_line(follower, log):
    long = os.urandom(2 * 1024 * 1024).replace(b"\n", b"\xff")
    add(log, b"\xff\xfe\x00\r\n" + long + b"\n")
    follower.start()
    wait_until(lambda: len(follower.lines(log)) == 2)
    assert follower.lines(log) == [b"\xff\xfe\x00\r", long]


def test_cuts_a_line_over_sixteen_mebibytes_and_loses_no_byte(follower, log):
    long = b"x" * (wire.MAX_RECORD_BYTES + 5000)
    add(log, long + b"\nnext\n")
    follower.start()
    wait_until(lambda: follower.lines(log)[-1:] == [b"next"])
    lines = follower.lines(log)
    assert b"".join(lines[:-1]) == long
    assert max(map(len, lines)) <= wire.MAX_RECORD_BYTES


NAMES = b"#Fields: date time c-ip"


def test_a_line_of_a_w3c_log_carries_the_names_of_its_columns(follower, log):
    """It is read alone on the platform; new names count from where they stand."""
    add(
        log,
        b"#Version: 1.0\n" + NAMES + b"\n2026-11-20 09:00:00 10.0.0.1\n#Fields: date\n2026-11-21\n",
    )
    follower.start()
    wait_until(lambda: len(follower.lines(log)) == 5)
    assert follower.lines(log) == [
        b"#Version: 1.0",
        NAMES,
        NAMES + b"\n2026-11-20 09:00:00 10.0.0.1",
        b"#Fields: date",
        b"#Fields: date\n2026-11-21",
    ]


@pytest.mark.parametrize("start", ["start", "end"])
def test_the_names_of_columns_are_known_after_a_restart_and_when_begun_at_the_end(
    tmp_path, log, start
):
    log.parent.mkdir(exist_ok=True)
    add(log, b"\xef\xbb\xbf#Software: x\r\n" + NAMES + b"\r\nfirst\r\n")
    one = Follower(tmp_path / "spool-w3c", str(log), start=start)
    one.start()
    wait_until(lambda: one.spool.position(f"file:{log}") is not None)
    one.stop()
    add(log, b"second\r\n")
    one.start()
    wait_until(lambda: one.lines(log)[-1:] == [NAMES + b"\nsecond\r"])
    one.stop()


def test_a_stranger_names_no_columns_in_a_log_of_another_format(follower, log):
    """Or one request could make the rest of a file unreadable."""
    add(log, b"words\n#Fields: a b\nmore words\n")
    follower.start()
    wait_until(lambda: len(follower.lines(log)) == 3)
    assert follower.lines(log) == [b"words", b"#Fields: a b", b"more words"]


def test_leaves_excluded_folders_alone(follower, log):
    inner = log.parent / "state" / "own.log"
    inner.parent.mkdir()
    add(inner, b"ours\n")
    add(log, b"theirs\n")
    follower.pattern = str(log.parent / "**" / "*.log")
    follower.options = {"exclude": [str(inner.parent)]}
    follower.start()
    wait_until(lambda: follower.lines(log) == [b"theirs"])
    assert follower.lines(inner) == []
