"""Laws over all rules of the platform."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from soc.detect.cases import MATCH, QUIET, Outcome, cases_path, load_cases, run_cases
from soc.detect.facts import RuleFacts
from soc.detect.guidance import load_guidance, logsource_of
from soc.detect.guidance_file import CHECKS
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack
from soc.normalise.fields import is_known

ROOT = Path(__file__).parent.parent
RULES = ROOT / "rules"
TECHNIQUE = re.compile(r"attack\.t\d{4}(\.\d{3})?")
VIETNAMESE = re.compile(
    "[àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ]", re.I
)
GUIDANCE = load_guidance([RULES])
PLAYBOOKS = frozenset(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
FILES = sorted(RULES.rglob("*.yml"))
LITTLE_WORDS = {"a", "an", "the", "of", "in", "on", "by", "to", "from", "for", "with", "and", "or"}


def slug(title: str) -> str:
    """A title as a file name."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def name(path: Path) -> str:
    return str(path.relative_to(RULES))


@pytest.fixture(scope="module")
def pack() -> Pack:
    return compile_pack([RULES], mapping="ecs")


@pytest.fixture(scope="module")
def by_path(pack: Pack) -> dict[Path, RuleFacts]:
    """The rule that a file is about: its first document."""
    facts = {**pack.rules, **pack.correlation_facts}
    return {path: facts[contents(path)[0]["id"]] for path in FILES}


def contents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader))


@pytest.fixture(scope="module")
def outcomes(pack: Pack) -> list[Outcome]:
    return list(run_cases(Matcher(pack)))


def test_there_are_rules() -> None:
    assert FILES


def test_every_rule_is_active(pack: Pack) -> None:
    """None is refused, and none looks at a field that no event has."""
    assert not pack.refused
    assert not pack.cannot_match


def test_ids_and_titles_are_unique(pack: Pack) -> None:
    every = [*pack.rules.values(), *pack.correlation_facts.values()]
    titles = Counter(facts.title for facts in every if facts.id not in pack.silent)
    assert [title for title, times in titles.items() if times > 1] == []
    assert len(every) == sum(len(contents(path)) for path in FILES)
    assert len(every) - len(pack.silent) == len(FILES)  # all but the first serve that one


def test_what_serves_a_correlation_is_silent(pack: Pack) -> None:
    served = {rule_id for one in pack.correlations.values() for rule_id in one.rules}
    assert set(pack.silent) <= served


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_file_name_can_be_guessed_from_the_title(
    path: Path, by_path: dict[Path, RuleFacts]
) -> None:
    """The words of the file name stand in the title, in that order; little words may be left out."""
    words = slug(by_path[path].title).split("-")
    wanted = [word for word in slug(path.stem).split("-") if word not in LITTLE_WORDS]
    rest = iter(words)
    missing = [word for word in wanted if word not in rest]
    assert not missing, f"{path.stem} is not in the title {by_path[path].title!r}"
    meaningful = [word for word in words if word not in LITTLE_WORDS]
    assert len(wanted) * 2 >= len(meaningful), "the file name says too little of the title"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_rule_says_what_people_need(path: Path, by_path: dict[Path, RuleFacts]) -> None:
    """A Vietnamese title, a description, a technique, false positives, a level."""
    content = contents(path)[0]
    assert VIETNAMESE.search(content["custom"]["title_vi"])
    facts = by_path[path]
    assert facts.techniques, "no ATT&CK technique among the tags"
    assert all(TECHNIQUE.fullmatch(tag) for tag in facts.tags if tag.startswith("attack.t1"))
    assert facts.description
    assert facts.falsepositives
    assert content["level"] in ("informational", "low", "medium", "high", "critical")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_rule_says_what_it_is_blind_to(path: Path, by_path: dict[Path, RuleFacts]) -> None:
    """Who reads "nothing found" must know what the rule cannot see."""
    assert re.search(r"\b[Bb]lind\b", by_path[path].description)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_rule_guides_those_who_see_its_alerts(
    path: Path, by_path: dict[Path, RuleFacts], pack: Pack
) -> None:
    """Meaning and false alarm in both languages, three things to check, a playbook that exists."""
    rule = by_path[path]
    assert list(GUIDANCE.faults(rule, PLAYBOOKS)) == []
    found = GUIDANCE.of(rule, logsource_of(rule.id, pack.rules, pack.correlations))
    assert VIETNAMESE.search(rule.meaning_vi)
    assert VIETNAMESE.search(rule.false_alarm_vi)
    assert len(found.means_en) > 20
    assert found.false_alarm_en == "; ".join(rule.falsepositives)
    assert len({check.name for check in found.checks}) == CHECKS
    assert found.playbook in PLAYBOOKS


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_rule_has_a_firing_and_a_quiet_case(path: Path) -> None:
    cases = load_cases(cases_path(path))
    assert {MATCH, QUIET} <= {case.expect for case in cases}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_cases_use_known_fields(path: Path) -> None:
    cases = load_cases(cases_path(path))
    events = [
        event for case in cases for event in (case.event, *(one.event for one in case.events))
    ]
    unknown = {field for event in events for field in event if not is_known(field)}
    assert not unknown


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_engine_agrees_with_the_cases(path: Path, outcomes: list[Outcome]) -> None:
    wrong = [
        f"line {one.case.line}: {one.case.why}"
        for one in outcomes
        if Path(one.rule.path) == path and not one.right
    ]
    assert not wrong


def test_no_cases_file_is_without_its_rule() -> None:
    lonely = [
        path
        for path in RULES.rglob("*.cases.jsonl")
        if not path.with_name(path.name.removesuffix(".cases.jsonl") + ".yml").exists()
    ]
    assert lonely == []


@pytest.mark.slow
def test_sigma_check_passes_offline() -> None:
    command = Path(sys.executable).with_name("sigma")
    done = subprocess.run(
        [command, "check", "-i", "-c", RULES / "validation.yaml", RULES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
