"""Exports dropped into a folder: each row once, however the files come."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.agent.inputs.drop_folder import DropFolder
from collectors.agent.inputs.export_rows import cut
from collectors.agent.inputs.seen_rows import SeenRows
from collectors.agent.intake import Intake
from collectors.agent.notices import Notices
from collectors.agent.spool import Spool
from tests.agent.inputs_at_work import at_work, payloads

HEAD = b"machine,ip,threat\n"


class Dropping:
    """A folder, an input that looks when it is told to, and what it brought so far."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder / "drop", []
        self.folder.mkdir()
        self.spool = Spool(folder / "spool")
        self.tail_after = 3600.0
        self.restart()

    def restart(self) -> None:
        """The agent starts again: only what is on disk is known."""
        notices = Notices("host", is_quiet=True)
        notices.tell = lambda kind, message, **facts: self.told.append((kind, message))
        self.intake = Intake(self.spool, notices, wake=threading.Event(), stop=threading.Event())
        self.input = DropFolder([str(self.folder / "*")], tail_after_seconds=self.tail_after)

    def drop(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def look(self) -> int:
        return self.input.take_all(self.intake)

    @property
    def rows(self) -> list[bytes]:
        frames, _ = self.spool._collect(self.spool.acked, None, 1 << 30)
        names = {frame.streams[0][0] for frame in frames if frame.streams}
        return [
            row
            for name in sorted(names)
            if name.startswith("edr/")
            for row in payloads(self.spool, name)
        ]


@pytest.fixture
def dropping(tmp_path) -> Dropping:
    return Dropping(tmp_path)


def row(number: int) -> bytes:
    return f"PC-{number},10.1.0.{number},Virus.{number}".encode()


def csv_of(*numbers: int) -> bytes:
    return HEAD + b"".join(row(number) + b"\n" for number in numbers)


def test_each_row_comes_with_the_names_of_its_columns(dropping):
    dropping.drop("a.csv", csv_of(1, 2))
    assert dropping.look() == 2
    assert dropping.rows == [HEAD + row(1), HEAD + row(2)]


def test_a_file_sent_again_under_another_name_brings_nothing(dropping):
    dropping.drop("a.csv", csv_of(1, 2))
    dropping.look()
    dropping.drop("b.csv", csv_of(1, 2))
    assert dropping.look() == 0


def test_a_later_file_brings_only_its_new_rows(dropping):
    dropping.drop("a.csv", csv_of(1, 2))
    dropping.look()
    dropping.drop("b.csv", csv_of(2, 3, 3))
    assert dropping.look() == 1
    assert dropping.rows[-1] == HEAD + row(3)


@pytest.mark.parametrize(
    "size", [1, len(HEAD), len(HEAD) + 3, len(csv_of(1)), len(csv_of(1)) + 9, len(csv_of(1, 2)) - 1]
)
def test_a_cut_file_is_read_as_far_as_it_goes_and_the_rest_when_it_comes(dropping, size):
    whole = csv_of(1, 2)
    dropping.drop("a.csv", whole[:size])
    dropping.look()
    assert all(one in (HEAD + row(1), HEAD + row(2)) for one in dropping.rows)
    dropping.drop("a.csv", whole)
    dropping.look()
    assert sorted(dropping.rows) == [HEAD + row(1), HEAD + row(2)]


def test_a_last_row_without_an_end_is_brought_after_its_patience(dropping):
    dropping.tail_after = 0.0
    dropping.restart()
    dropping.drop("a.csv", csv_of(1) + row(2))
    assert dropping.look() == 1
    assert dropping.look() == 1
    assert dropping.rows[-1] == HEAD + row(2)


def test_a_json_array_cut_within_an_object_is_told_and_completed(dropping):
    items = [json.dumps({"machine": f"PC-{n}", "note": "a, ]b"}).encode() for n in range(3)]
    whole = b'{"value": [' + b", ".join(items) + b"]}"
    dropping.drop("a.json", whole[:-9])
    assert dropping.look() == 2
    assert any("was cut" in message for _, message in dropping.told)
    dropping.drop("a.json", whole)
    assert dropping.look() == 1
    assert dropping.rows == items


def test_files_still_being_written_are_left_alone(dropping):
    for name in (".a.csv", "a.csv.part", "b.TMP"):
        dropping.drop(name, csv_of(1))
    assert dropping.look() == 0
    (dropping.folder / "a.csv.part").rename(dropping.folder / "a.csv")
    assert dropping.look() == 1


def test_a_file_that_changes_between_two_looks_is_not_read_yet(dropping):
    seen = SeenRows(dropping.intake, dropping.input.name)
    dropping.drop("a.csv", csv_of(1))
    assert dropping.input.look(dropping.intake, seen, threading.Event()) == 0
    dropping.drop("a.csv", csv_of(1, 2))
    assert dropping.input.look(dropping.intake, seen, threading.Event()) == 0
    assert dropping.input.look(dropping.intake, seen, threading.Event()) == 2
    seen.close()


def test_a_kill_between_the_spool_and_the_table_of_rows_brings_nothing_twice(dropping, monkeypatch):
    """The position in the spool names the rows of the last put."""
    dropping.drop("a.csv", csv_of(1, 2))
    monkeypatch.setattr(SeenRows, "remember", _killed_after_put(SeenRows.remember))
    with pytest.raises(KeyboardInterrupt):
        dropping.look()
    monkeypatch.undo()
    dropping.restart()
    assert dropping.look() == 0
    assert dropping.rows == [HEAD + row(1), HEAD + row(2)]


def _killed_after_put(remember):
    def killed(self, digests):
        if list(digests):
            raise KeyboardInterrupt
        remember(self, digests)

    return killed


def test_quoted_line_ends_and_utf_16_are_read():
    content = '"machine";"note"\r\n"PC-1";"a\r\nb"\r\n"PC-2";"c"\r\n'
    found = cut(content.encode("utf-16")).rows
    assert found == (b'"machine";"note"\n"PC-1";"a\r\nb"', b'"machine";"note"\n"PC-2";"c"')


@given(st.binary(max_size=400))
def test_any_bytes_are_cut_without_an_error(content):
    found = cut(content)
    assert all(isinstance(one, bytes) for one in (*found.rows, found.tail))


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 200))
def test_what_a_cut_file_gives_is_the_beginning_of_what_the_whole_gives(numbers, size):
    whole = csv_of(*numbers)
    assert cut(whole).rows[: len(cut(whole[:size]).rows)] == cut(whole[:size]).rows


def test_the_running_input_brings_a_file_under_the_mapping_of_its_stream(tmp_path):
    folder = tmp_path / "drop"
    folder.mkdir()
    one = DropFolder([str(folder / "*.csv")], mapping="generic", settle_seconds=0.05)
    with at_work(tmp_path / "spool", one) as (spool, _):
        (folder / "a.csv").write_bytes(csv_of(1))
        stream = f"edr/generic/drop:{folder}/*.csv"
        for _ in range(200):
            if payloads(spool, stream):
                break
            threading.Event().wait(0.05)
        assert payloads(spool, stream) == [HEAD + row(1)]
