"""What most of nine public Sigma engines find in the EVTX corpus, this engine finds too."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.detect.corpus_scan import scan_command

BRACES = "69aeb277-f15f-4d2d-b32a-55e883609563"
"""Windows Event Auditing Disabled: its filter lists GUIDs in braces. The other engines were fed JSON whose GUIDs had
lost theirs, so they report events that the rule means to leave out; they are not counted here."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mapping", ["native", "ecs"])
def test_what_other_engines_agree_on_is_found(
    corpus: Path, corpus_packs: Path, sigmahq: list[str | Path], mapping: str
) -> None:
    """At least 99 %, by Sigma's own names and by way of the readers and ECS."""
    lines = (corpus / "expected-matches.jsonl").read_bytes().splitlines()
    expected = {
        (str(corpus / one["file"]), one["record"], one["rule_id"])
        for one in map(orjson.loads, lines)
        if one["rule_id"] != BRACES
    }
    found = {
        (match["file"], match["record"], match["rule_id"])
        for match in scan_command(
            *(*sigmahq, "--mapping", mapping),
            *sorted({path for path, _, _ in expected}),
            cache=corpus_packs,
        )
    }
    share = len(expected & found) / len(expected)
    print(f"{mapping}: {share:.2%} of {len(expected)} expected matches found")
    assert share >= 0.99, sorted(expected - found)[:20]
