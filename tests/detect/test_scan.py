"""``soc scan`` on files of every shape, sound and broken."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from soc.detect.packs import compile_pack
from tests.detect.builders import ID, rule, write, write_rules
from tests.detect.corpus_scan import run_scan, scan

HIT = {"Channel": "Security", "EventID": 4720, "TargetUserName": "evil", "Computer": "DC01"}
QUIET = {**HIT, "TargetUserName": "an"}
XML_AS_JSON = {
    "Event": {
        "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
            "EventID": {"#text": 4720, "#attributes": {"Qualifiers": 0}},
            "TimeCreated": {"#attributes": {"SystemTime": "2026-11-22T03:00:00Z"}},
            "EventRecordID": 77,
            "Channel": "Security",
            "Computer": "DC01",
        },
        "EventData": {"TargetUserName": "evil"},
    }
}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    content = rule(
        1,
        {"s": {"EventID": 4720, "TargetUserName": "evil"}, "condition": "s"},
        logsource={"product": "windows", "service": "security"},
    )
    return write_rules(tmp_path / "rules", [content])


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def packed(path: Path, content: bytes) -> Path:
    """The content in the form that the name says."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.compress(content))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inside/a.json", content)
    else:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "record"),
    [
        ("a.jsonl", lines(QUIET, HIT), 2),
        ("a.ndjson", b"\n\n" + lines(HIT), 3),
        ("a.json", json.dumps([QUIET, HIT]).encode(), 2),
        ("a.json", json.dumps(HIT, indent=2).encode(), 1),
        ("a.json", (json.dumps(QUIET, indent=2) + "\n" + json.dumps(HIT, indent=2)).encode(), 2),
        ("a.json", b"\xef\xbb\xbf" + lines(HIT), 1),
        ("a.jsonl.gz", lines(QUIET, HIT), 2),
        ("a.jsonl.zst", lines(QUIET, HIT), 2),
        ("a.zip", lines(QUIET, HIT), 2),
        ("a.jsonl", lines(XML_AS_JSON), 1),
    ],
)
def test_a_match_is_found_in_every_form(
    tmp_path: Path, rules: Path, name: str, content: bytes, record: int
) -> None:
    path = packed(tmp_path / name, content)
    (match,) = scan("--rules", rules, path, cache=tmp_path / "cache")
    assert (match["rule_id"], match["record"], match["host"]) == (ID.format(1), record, "DC01")


def test_a_line_says_what_other_programs_rely_on(tmp_path: Path, rules: Path) -> None:
    path = packed(tmp_path / "a.jsonl", lines(XML_AS_JSON))
    assert scan("--rules", rules, path, cache=tmp_path / "cache") == [
        {
            "rule_id": ID.format(1),
            "title": "Rule 1",
            "level": "high",
            "file": str(path),
            "record": 1,
            "time": "2026-11-22T03:00:00Z",
            "host": "DC01",
            "fields": {"Channel": "Security", "EventID": 4720, "TargetUserName": "evil"},
        }
    ]


def test_a_folder_is_searched_to_the_bottom(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    packed(tmp_path / "logs" / "deep" / "a.jsonl", lines(HIT))
    packed(tmp_path / "logs" / "b.jsonl.gz", lines(HIT))
    (tmp_path / "logs" / "readme.txt").write_text("not events")
    assert len(scan("--rules", rules, tmp_path / "logs", cache=tmp_path / "cache")) == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.evtx", b"", "empty file"),
        ("not.evtx", b"nothing of the kind" * 20, "not an EVTX file"),
        ("head.evtx", b"ElfFile\x00" + b"\x00" * 40, "header is damaged"),
        ("bad.gz", b"\x1f\x8bnonsense", "damaged"),
        ("bad.zst", b"nonsense", "damaged"),
        ("bad.zip", b"nonsense", "damaged or locked zip"),
        ("bad.jsonl", b"{nonsense\n", "not JSON"),
        ("list.jsonl", b'"text"\n', "not a JSON object"),
        ("a.pcap", b"\xd4\xc3\xb2\xa1", "--mapping ecs"),
        ("a.log", b"Nov 22 x\n", "--source"),
    ],
)
def test_a_broken_file_is_named_and_the_others_go_on(
    tmp_path: Path, rules: Path, name: str, content: bytes, said: str
) -> None:
    bad = tmp_path / name
    bad.write_bytes(content)
    good = packed(tmp_path / "good.jsonl", lines(HIT))
    done = run_scan("--rules", rules, bad, good, cache=tmp_path / "cache")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    (line,) = done.stderr.decode().splitlines()
    assert name in line
    assert said in line


def test_a_bad_line_is_named_by_its_number_and_the_rest_is_read(
    tmp_path: Path, rules: Path
) -> None:
    path = packed(tmp_path / "a.jsonl", lines(QUIET) + b'{"a": \xff}\n[1]\n' + lines(HIT))
    done = run_scan("--rules", rules, "--stats", path, cache=tmp_path / "cache")
    said = done.stderr.decode()
    assert len(done.stdout.splitlines()) == 1
    assert f"{path}:2: not JSON" in said
    assert f"{path}:3: not a JSON object" in said
    assert "events read: 2" in said
    assert "unreadable: 2" in said


def test_nothing_readable_is_bad_input(tmp_path: Path, rules: Path) -> None:
    bad = tmp_path / "bad.evtx"
    bad.write_bytes(b"x" * 5000)
    assert run_scan("--rules", rules, bad, cache=tmp_path / "cache").returncode == 2


@pytest.mark.parametrize("missing", ["input", "rules"])
def test_a_missing_file_is_wrong_use_in_plain_words(
    tmp_path: Path, rules: Path, missing: str
) -> None:
    good = packed(tmp_path / "good.jsonl", lines(HIT))
    nothing = tmp_path / "nothing"
    chosen = ("--rules", nothing, good) if missing == "rules" else ("--rules", rules, nothing)
    done = run_scan(*chosen, cache=tmp_path / "cache")
    assert done.returncode == 2
    assert b"no such file or folder" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_refused_rule_is_named_in_the_stats_and_the_others_match(
    tmp_path: Path, rules: Path
) -> None:
    write(rules, "broken.yml", "title: x\nlogsource: [\n")
    path = packed(tmp_path / "a.jsonl", lines(HIT))
    done = run_scan("--rules", rules, "--stats", path, cache=tmp_path / "cache")
    assert len(done.stdout.splitlines()) == 1
    assert "rules loaded: 1, refused: 1" in done.stderr.decode()
    assert "broken.yml:3" in done.stderr.decode()


def test_several_rule_folders_are_joined(tmp_path: Path, rules: Path) -> None:
    content = rule(
        2, {"s": {"Computer": "DC01"}, "condition": "s"}, logsource={"product": "windows"}
    )
    more = write_rules(tmp_path / "more", [content])
    path = packed(tmp_path / "a.jsonl", lines(HIT))
    found = scan("--rules", rules, "--rules", more, path, cache=tmp_path / "cache")
    assert [match["rule_id"] for match in found] == [ID.format(1), ID.format(2)]


def test_the_table_is_for_people(tmp_path: Path, rules: Path) -> None:
    path = packed(tmp_path / "a.jsonl", lines(HIT))
    done = run_scan("--rules", rules, "--output", "table", path, cache=tmp_path / "cache")
    head, row = done.stdout.decode().splitlines()
    assert head.startswith("level")
    assert "Rule 1" in row
    assert "DC01" in row


def test_log_lines_are_read_by_the_named_reader(tmp_path: Path) -> None:
    content = rule(
        1,
        {"s": {"user.name": "root", "event.outcome": "failure"}, "condition": "s"},
        logsource={"product": "linux", "service": "sshd"},
    )
    rules = write_rules(tmp_path / "rules", [content])
    path = write(
        tmp_path,
        "auth.log",
        """
        Nov 22 10:00:01 web01 sshd[812]: Failed password for root from 203.0.113.7 port 4022 ssh2
        Nov 22 10:00:02 web01 sshd[813]: Accepted password for an from 10.1.1.1 port 4023 ssh2
        """,
    )
    options = ("--rules", rules, "--mapping", "ecs", "--source", "syslog")
    (match,) = scan(*options, path, cache=tmp_path / "cache")
    assert (match["record"], match["host"]) == (1, "web01")


def test_a_cut_evtx_file_is_named_and_read_as_far_as_it_goes(
    corpus: Path, tmp_path: Path, rules: Path
) -> None:
    """The parser gives fewer records and no error; the header's count of chunks tells."""
    whole = max(
        (corpus / "evtx-attack-samples").rglob("*.evtx"), key=lambda path: path.stat().st_size
    )
    cut = tmp_path / "cut.evtx"
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    done = run_scan("--rules", rules, "--stats", cut, cache=tmp_path / "cache")
    said = done.stderr.decode()
    assert done.returncode == 0
    assert "cut short" in said
    assert "events read: 0" not in said


def test_rules_in_ecs_names_are_told_to_use_the_ecs_mapping(tmp_path: Path) -> None:
    """Loaded by native names they would be silent for ever."""
    rule = tmp_path / "rules" / "a.yml"
    rule.parent.mkdir()
    rule.write_text(
        "title: A\nid: 0b5f9a0e-5a5e-4f8a-9c0e-2d1f6f0a9a11\nstatus: test\n"
        "logsource: {product: windows, category: process_creation}\n"
        "detection: {a: {process.command_line|contains: x}, condition: a}\nlevel: low\n"
    )
    pack = compile_pack([rule.parent], mapping="native")
    assert not pack.rules
    (silent,) = pack.cannot_match
    assert "--mapping ecs" in silent.reason
    assert silent.fields == ("process.command_line",)


RULE_ON_DNS = """\
title: A name is asked for
id: 6f2f3a90-94a3-4d2e-9a37-6c3d6a0f5c11
status: test
description: Matches a question for www.vn.
logsource: {category: dns}
detection:
  asked: {dns.question.name: www.vn}
  condition: asked
level: low
"""


def test_a_capture_is_read_by_the_packet_sensor(tmp_path: Path) -> None:
    """Its records meet the rules in ECS names; a damaged capture is named, and what comes before is read."""
    from tests.sensor.packets import pcap, udp
    from tests.sensor.test_command import QUESTION

    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "dns.yml").write_text(RULE_ON_DNS)
    whole = pcap([udp(QUESTION)])
    (tmp_path / "a.pcap").write_bytes(whole)
    (tmp_path / "b.pcap").write_bytes(pcap([udp(QUESTION), udp(QUESTION)])[:-5])
    with gzip.open(tmp_path / "c.pcap.gz", "wb") as packed:
        packed.write(whole)
    files = [tmp_path / name for name in ("a.pcap", "b.pcap", "c.pcap.gz")]
    where = ("--mapping", "ecs", "--rules", tmp_path / "rules")
    done = run_scan(*where, *files, cache=tmp_path / "cache")
    found = [one["file"] for one in done.matches]
    assert (done.returncode, found) == (0, [str(path) for path in files])
    assert "b.pcap: cannot be read: cut off" in done.stderr.decode()
