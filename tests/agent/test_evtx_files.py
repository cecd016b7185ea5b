"""EVTX files: every record's XML, and a clear word about files that are not whole."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from collectors.agent.inputs.evtx_files import EvtxFiles, outline_of
from collectors.agent.intake import Intake
from collectors.agent.notices import Notices
from collectors.agent.spool import Spool


class Taking:
    """EVTX files taken into a spool."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.told = Spool(folder), []
        notices = Notices("host", is_quiet=True)
        self.intake = Intake(self.spool, notices, wake=threading.Event(), stop=threading.Event())
        notices.tell = lambda kind, message, **facts: self.told.append((kind, message))

    def take(self, path: Path) -> int:
        return EvtxFiles([str(path)]).take_all(self.intake, threading.Event())


@pytest.fixture
def taking(tmp_path) -> Taking:
    return Taking(tmp_path / "spool")


@pytest.fixture
def large(corpus) -> Path:
    """A whole file of several chunks."""
    files = corpus.glob("evtx-*/**/*.evtx")
    return max(files, key=lambda path: (outline_of(path).declared_chunks, path.name))


def test_brings_as_many_records_as_the_chunks_promise(taking, large):
    assert taking.take(large) == outline_of(large).records
    assert [kind for kind, _ in taking.told] == ["input_end"]


def test_brings_the_xml_of_events(taking, large):
    taking.take(large)
    batch = taking.spool.next_batch(1 << 30)
    content = b"".join(frame.block for frame in batch.frames)
    assert b"<Event xmlns=" in content


def test_does_not_bring_a_file_twice(taking, large):
    taking.take(large)
    assert taking.take(large) == 0


def test_an_empty_file_is_named(taking, tmp_path):
    path = tmp_path / "Security.evtx"
    path.touch()
    taking.take(path)
    [(kind, message)] = taking.told
    assert kind == "input_error"
    assert f"{path}: the file is empty; 0 records came" in message


def test_a_file_that_is_no_evtx_is_named(taking, tmp_path):
    path = tmp_path / "Security.evtx"
    path.write_bytes(b"not an event log" * 1000)
    taking.take(path)
    [(kind, message)] = taking.told
    assert (kind, "does not begin with" in message) == ("input_error", True)


def test_a_truncated_file_is_named_with_what_came(taking, tmp_path, large):
    path = tmp_path / "cut.evtx"
    content = large.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    came = taking.take(path)
    [(kind, message)] = taking.told
    assert kind == "input_error"
    assert "cut short" in message
    assert f"{came} records came" in message
    assert came > 0


def test_a_missing_file_is_a_blind_spot(taking, tmp_path):
    taking.take(tmp_path / "gone.evtx")
    assert [kind for kind, _ in taking.told] == ["blind_spot"]
