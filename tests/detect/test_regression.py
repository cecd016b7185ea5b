"""SigmaHQ's regression cases: the named rule is found in its EVTX file, as often as stated."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from soc.normalise.yaml_text import load_yaml
from tests.detect.corpus_scan import scan_command

AT_LEAST = {  # these files hold more matching events than their info.yml says
    "file_event_win_cred_dump_tools_dropped_files",
    "file_event_win_anydesk_artefact",
    "registry_set_change_security_zones",
    "registry_set_disable_administrative_share",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_named_rule_is_found_with_the_stated_count(
    corpus: Path, corpus_packs: Path, sigmahq: list[str | Path]
) -> None:
    """At least 90 of the 99 EVTX cases."""
    folder = corpus / "sigma-regression"
    files = sorted(folder.rglob("*.evtx"))
    found: Counter[tuple[str, str]] = Counter(
        (match["file"], match["rule_id"])
        for match in scan_command(*sigmahq, *files, cache=corpus_packs)
    )
    cases, wrong = 0, []
    for info in sorted(folder.rglob("info.yml")):
        content = load_yaml(info.read_bytes())
        rule_id = content["rule_metadata"][0]["id"]
        for case in content.get("regression_tests_info", []):
            path = info.parent / Path(case["path"]).name
            if case["type"] != "evtx" or not path.exists():
                continue
            cases += 1
            wanted, count = case.get("match_count"), found[str(path), rule_id]
            loose = wanted is None or info.parent.name in AT_LEAST
            if not (count >= 1 if loose else count == wanted):
                wrong.append(f"{info.parent.name}: {count}, stated {wanted}")
    print(f"{cases - len(wrong)} of {cases} regression cases are right; wrong: {wrong}")
    assert cases >= 99
    assert cases - len(wrong) >= 90
