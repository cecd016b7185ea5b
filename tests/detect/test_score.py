"""The score of the shipped rules is kept beside them: a change that loses a detection fails here.

Made anew, after a change that is meant: ``soc simulate DIR --attack all --workstations 20 --servers 8`` and
``soc rules score DIR --rules rules --out rules/score.json``.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer.testing

from soc.cli.rules import app
from soc.cli.simulate import command as simulate
from soc.detect.score import Label, Match, Score, read_labels
from soc.errors import RuleError
from soc.shipped import folder

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
RULES = folder("rules")


def score_of(labels: list[Label], matches: list[Match], events: int = 1_000) -> Score:
    score = Score()
    score.add(events, labels, matches)
    return score


def test_recall_and_alarms_are_counted_by_rule() -> None:
    within = Label(("a", "b"), start=NOON, end=NOON + timedelta(minutes=5))
    record = Label(("c",), "x/y.evtx", 7)
    matches = [
        Match("a", "f", 1, NOON + timedelta(minutes=5)),
        Match("a", "f", 2, NOON + timedelta(minutes=6)),  # after the attack
        Match("b", "f", 3, None),  # nobody knows when
        Match("c", "/corpus/x/y.evtx", 7, None),
        Match("c", "/corpus/x/y.evtx", 8, None),
        Match("d", "f", 4, NOON),  # nobody expected it
    ]
    score = score_of([within, record], matches)
    assert score.expected == {"a": 1, "b": 1, "c": 1}
    assert +score.found == Counter({"a": 1, "c": 1})
    assert +score.alarms == Counter({"a": 1, "b": 1, "c": 1, "d": 1})
    assert score.recall == pytest.approx(2 / 3)
    assert (score.alarms_per("a"), score.alarms_per()) == (100, 400)
    assert score.lost(score.plain()) == []
    assert score_of([within, record], matches[1:]).lost(score.plain()) == [("a", 1, 0)]


def test_nothing_expected_and_nothing_seen() -> None:
    assert (Score().recall, Score().alarms_per()) == (1.0, 0.0)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"null",
        b'{"rule_id": "a"}',
        b'{"start": "x", "end": "y", "expects": []}',
        b'{"start": "2026-11-26T05:00:00", "end": "2026-11-26T05:00:00", "expects": []}',
        b'{"rule_id": "a", "file": "f", "record": "x"}',
        b"\xff\xfe",
    ],
)
def test_a_bad_label_is_named_with_its_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(b'{"rule_id": "a", "file": "f", "record": 1}\n\n' + line + b"\n")
    with pytest.raises(RuleError, match=r"labels\.jsonl:3"):
        read_labels(path)


def test_the_shipped_rules_have_lost_no_detection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = tmp_path / "attacks"
    run = typer.testing.CliRunner()
    maker = typer.Typer()
    maker.command()(simulate)
    asked = [str(made), "--attack", "all", "--workstations", "20", "--servers", "8"]
    assert run.invoke(maker, asked).exit_code == 0
    kept = RULES / "score.json"
    asked = ["score", str(made), "--rules", str(RULES), "--against", str(kept)]
    done = run.invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert json.loads(kept.read_text())["rules"]

    better = json.loads(kept.read_text())
    better["rules"]["8391f28d-f540-50a0-a397-195d38726c43"]["found"] += 1
    (tmp_path / "better.json").write_text(json.dumps(better))
    asked = ["score", str(made), "--rules", str(RULES), "--against", str(tmp_path / "better.json")]
    done = run.invoke(app, asked)
    assert done.exit_code == 1
    assert "lost: 8391f28d-f540-50a0-a397-195d38726c43 Shadow copies deleted" in done.output
