"""Every rule gets what people need: from the rule itself, or from the table by technique and kind of log source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from soc.detect.facts import RuleFacts
from soc.detect.guidance import GuidanceTable, load_guidance
from soc.detect.guidance_file import ANY, CHECKS, NAME, read_table
from soc.detect.rule_documents import facts_of
from soc.detect.rule_text import documents, rule_files
from soc.errors import RuleError
from soc.normalise.query_text import filled, placeholders
from soc.shipped import folder
from soc.store.elastic.leaves import dsl_of
from tests.detect.builders import write

RULES = folder("rules")
TABLE = load_guidance([RULES])
PLAYBOOKS = {path.stem for path in folder("playbooks").glob("*.yml")}
HOSTILE = (
    '"',
    "\\",
    '\\"',
    "*",
    "?",
    "a*b?c",
    '" OR *:*',
    "{host.name}",
    "/x/",
    "a:b (c",
    "\x00",
    "AND",
)
SMALL = """
checks:
  one: {vi: Một?, en: One?, query: "host.name:{host.name}"}
  two: {vi: Hai?, en: Two?, query: "user.name:{user.name}", before: 7d, after: 0m}
  three: {vi: Ba?, en: Three?, query: ["source.ip:{source.ip}"]}
  four: {vi: Bốn?, en: Four?, query: "file.path:{file.path}"}
kinds:
  - {name: web, categories: [webserver], services: [nginx], checks: [three, two, one]}
  - {name: any, checks: [one, two, three]}
rows:
  - of: [t1486]
    vi: Mã hóa.
    en: Encryption.
    false_alarm: {vi: Nén tệp., en: Packing.}
    playbook: ransomware-on-server
    checks: [four]
    checks_of: {web: [two]}
  - {of: [t1059.001], vi: PowerShell., en: PowerShell., false_alarm: {vi: Không., en: None.}, playbook: web-shell}
  - {of: [t1059], vi: Lệnh., en: Command., false_alarm: {vi: Không., en: None.}, playbook: web-shell}
  - {of: [impact], vi: Phá hoại., en: Impact., false_alarm: {vi: Không., en: None.}, playbook: web-shell}
  - {of: [any], vi: Lạ., en: Odd., false_alarm: {vi: Không., en: None.}, playbook: web-shell}
"""


def rule(*tags: str, **more: Any) -> RuleFacts:
    content = {"title": "A rule", "tags": [f"attack.{tag}" for tag in tags], **more}
    (document,) = documents(Path("a-rule.yml"), yaml.safe_dump(content).encode())
    return facts_of(document)


@pytest.fixture
def small(tmp_path: Path) -> GuidanceTable:
    write(tmp_path, NAME, SMALL)
    return load_guidance([tmp_path])


def every_rule(*folders: Path) -> Iterator[RuleFacts]:
    for path in rule_files(folders):
        for document in documents(path, path.read_bytes()):
            if {"detection", "correlation"} & document.content.keys():
                yield facts_of(document)


def names(found: Any) -> list[str]:
    return [check.name for check in found.checks]


def test_a_sub_technique_has_its_own_row_or_its_parents(small: GuidanceTable):
    assert small.of(rule("t1059.001")).row == "t1059.001"
    assert small.of(rule("t1059.004")).row == "t1059"


def test_of_several_techniques_the_first_of_the_table_speaks(small: GuidanceTable):
    """The table's author decides which is the graver, not the order of a rule's tags."""
    assert small.of(rule("t1059.001", "t1486")).row == "t1486"


def test_a_technique_without_a_row_falls_to_the_tactic_and_then_to_any(small: GuidanceTable):
    assert small.of(rule("impact", "t9999")).row == "impact"
    assert small.of(rule("t9999", "collection")).row == ANY
    assert small.of(rule()).row == ANY


def test_checks_come_from_the_rule_then_the_row_then_the_kind(small: GuidanceTable):
    assert names(small.of(rule("t1486"))) == ["four", "one", "two"]
    web = {"category": "webserver"}
    assert names(small.of(rule("t1486", logsource=web))) == ["two", "three", "one"]
    own = {"checks": ["three", "unheard-of"]}
    assert names(small.of(rule("t1486", custom=own))) == ["three", "four", "one"]


def test_what_a_rule_says_itself_stands_before_the_table(small: GuidanceTable):
    custom = {"meaning_vi": "Nghĩa.", "false_alarm_vi": "Sao lưu.", "playbook": "data-leak"}
    found = small.of(
        rule("t1486", custom=custom, falsepositives=["A backup"], description="What it is")
    )
    assert (found.means_vi, found.means_en) == ("Nghĩa.", "What it is")
    assert (found.false_alarm_vi, found.false_alarm_en) == ("Sao lưu.", "A backup")
    assert found.playbook == "data-leak"


def test_both_languages_of_a_false_alarm_come_from_one_place(small: GuidanceTable):
    """A rule with false positives in English only gets both texts of the table."""
    found = small.of(rule("t1486", falsepositives=["Unknown"]))
    assert (found.false_alarm_vi, found.false_alarm_en) == ("Nén tệp.", "Packing.")


def test_a_correlation_is_of_the_kind_of_its_events(small: GuidanceTable):
    assert names(small.of(rule("t1059"), {"service": "nginx"})) == ["three", "two", "one"]


def test_what_nobody_can_follow_is_named(small: GuidanceTable):
    wrong = rule("t1059", custom={"checks": ["unheard-of"], "playbook": "none-such"})
    said = list(small.faults(wrong, PLAYBOOKS))
    assert "unheard-of" in said[0]
    assert "none-such" in said[1]


@pytest.mark.parametrize("value", HOSTILE)
def test_every_query_can_be_read_with_any_value(value: str):
    """A value is a value: quotes, backslashes and wildcards in it are no operators."""
    for check in TABLE.checks.values():
        for query in check.queries:
            fields = {name: _fitting(name, value) for name in placeholders(query)}
            assert dsl_of(filled(query, fields))  # refuses what either store cannot read


def _fitting(name: str, value: str) -> Any:
    if name.endswith("ip"):
        return ["10.0.0.1", "2001:db8::1"]
    return 4 if name.endswith("pid") else value


def test_every_playbook_of_the_table_exists():
    assert {row.playbook for row in TABLE.rows.values()} <= PLAYBOOKS


def test_every_check_is_used():
    used = {name for row in TABLE.rows.values() for name in row.checks}
    used |= {
        name for row in TABLE.rows.values() for names in row.checks_of.values() for name in names
    }
    used |= {name for kind in TABLE._kinds.values() for name in kind.checks}
    assert set(TABLE.checks) == used


def test_nine_rules_of_ten_have_a_row_of_their_technique(corpus: Path):
    """Of SigmaHQ's rules and ours with a technique, those that fall through are named."""
    every = [one for one in every_rule(corpus / "sigma" / "rules", RULES) if one.techniques]
    assert len(every) > 2500
    through = [f"{one.title} ({', '.join(one.techniques)})" for one in every if not _own_row(one)]
    assert len(through) <= len(every) // 10, through


def _own_row(one: RuleFacts) -> bool:
    return TABLE.tag_of(one.tags)[1:5].isdigit()


def test_every_technique_in_use_has_a_row_and_no_rule_falls_to_any_but_those_without_a_tag(
    corpus: Path,
):
    every = list(every_rule(corpus / "sigma" / "rules", RULES))
    without = {name for one in every for name in one.techniques if name.lower() not in TABLE.rows}
    assert {name for name in without if name.partition(".")[0].lower() not in TABLE.rows} == set()
    fallen = [one for one in every if one.tags and TABLE.tag_of(one.tags) == ANY]
    assert [(one.title, one.tags) for one in fallen] == []


def test_every_rule_has_three_different_checks_and_all_texts(corpus: Path):
    for one in every_rule(corpus / "sigma" / "rules", RULES):
        found = TABLE.of(one)
        assert len(set(names(found))) == CHECKS, one.path
        assert all((found.means_vi, found.means_en, found.false_alarm_vi, found.false_alarm_en))
        assert found.playbook in PLAYBOOKS, one.path


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("en: One?", "eng: One?", 2, "spelling"),
        ("host.name:{host.name}", "host.name:{host.nam}", 2, "no event has the field host.nam"),
        ("host.name:{host.name}", "host.name:x", 2, "names a field"),
        ("before: 7d", "before: 7 days", 3, "30m or 7d"),
        ("before: 7d", "before: 400d", 3, "30d"),
        ("checks: [four]", "checks: [fore]", 15, "no check is named 'fore'"),
        ("checks_of: {web: [two]}", "checks_of: {wep: [two]}", 16, "no kind is named 'wep'"),
        ("checks: [three, two, one]", "checks: [three, two]", 7, "3 different checks"),
        ("of: [t1059.001]", "of: [t1059]", 18, "two of row for 't1059'"),
        ("of: [any]", "of: [anything]", 1, "no row is of any"),
        ("playbook: ransomware-on-server", "playbook: ''", 14, "playbook"),
        ("    vi: Mã hóa.", "    vi: Mã: hóa.", 11, 'between quotes'),
        ("    vi: Mã hóa.", "    vi: Mã hóa.\n    vi: Hai.", 12, "stands twice"),
        ("vi: Mã hóa.", "vi: ''", 11, "write a sentence"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_with_line_and_remedy(
    tmp_path: Path, before: str, after: str, line: int, said: str
):
    path = write(tmp_path, NAME, SMALL.replace(before, after, 1))
    with pytest.raises(RuleError, match=said) as caught:
        read_table(path)
    assert caught.value.line == line
    assert caught.value.hint
    assert str(path) in str(caught.value)


def test_no_table_is_told_with_a_remedy(tmp_path: Path):
    with pytest.raises(RuleError, match="copy the shipped one"):
        load_guidance([tmp_path])


@given(
    st.binary(max_size=300) | st.text(alphabet=":[]{}- \n'\"abc&*!%", max_size=200).map(str.encode)
)
def test_any_bytes_are_a_table_or_a_rule_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
):
    path = tmp_path_factory.mktemp("any") / NAME
    path.write_bytes(raw)
    with pytest.raises(RuleError):
        read_table(path)


def test_a_deep_table_is_refused(tmp_path: Path):
    path = tmp_path / NAME
    path.write_text("[" * 100_000)
    with pytest.raises(RuleError):
        read_table(path)
