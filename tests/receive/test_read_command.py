"""``soc events read``: files to events on stdout, what cannot be read to stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soc.cli.events import app

GOOD = b'{"@timestamp": "2026-11-22T03:00:00Z", "message": "hello"}\n'


def read(*arguments: object):
    return CliRunner().invoke(app, ["read", *map(str, arguments)])


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_bytes(GOOD + b"\xff\xfe\n" + GOOD)
    return path


def test_events_come_out_as_json_lines(lines):
    """Two of the three lines are events."""
    done = read("--source", "json_lines", lines)
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["hello", "hello"]


def test_what_cannot_be_read_is_named_with_its_place(lines):
    """As JSON on stderr; the exit code says that there was some."""
    done = read("--source", "json_lines", lines)
    (unread,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (unread["record"], unread["raw"], done.exit_code) == (2, "\\xff\\xfe", 1)


@pytest.mark.parametrize("content", [b"", b"ElfFile\0" + bytes(100), b"not an EVTX file"])
def test_an_evtx_file_that_is_none_is_refused(tmp_path, content):
    """Empty, cut in its header, something else: a plain sentence and exit code 2."""
    path = tmp_path / "x.evtx"
    path.write_bytes(content)
    done = read(path)
    assert done.exit_code == 2
    assert str(path) in done.stderr


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """Exit code 2."""
    assert read(tmp_path / "none.log").exit_code == 2


def test_an_evtx_file_of_the_corpus_is_read(corpus):
    """Every record that the parser gives becomes an event."""
    path = next((corpus / "evtx-attack-samples").rglob("*.evtx"))
    done = read(path)
    assert done.exit_code == 0
    assert all("winlog.channel" in json.loads(line) for line in done.stdout.splitlines())
    assert done.stdout


def test_a_line_of_a_w3c_log_is_read_by_the_names_above_it(tmp_path):
    """As the agent ships it: names and line together."""
    path = tmp_path / "u_ex261120.log"
    path.write_bytes(
        b"#Software: Microsoft Internet Information Services 10.0\r\n#Fields: date time c-ip sc-status\r\n"
        b"2026-11-20 02:00:00 203.0.113.9 404\r\n"
    )
    done = read("--source", "iis", path)
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["source.ip"], last["http.response.status_code"]) == ("203.0.113.9", 404)
    assert done.exit_code == 0
