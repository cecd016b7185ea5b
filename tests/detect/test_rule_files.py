"""Rule files: broken ones are named with their place, and spare the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack
from soc.errors import RuleError
from tests.detect.builders import HERE, ID, rule, write, write_rules

GOOD = """
    title: Good
    id: {id}
    logsource: {{product: test, service: unit}}
    detection:
      selection: {{f: good}}
      condition: selection
    level: low
"""


def pack_with(tmp_path: Path, text: str, mapping: str = "native") -> Pack:
    """A pack of a good rule and of a file with ``text``."""
    write(tmp_path, "good.yml", GOOD.format(id=ID.format(1)))
    write(tmp_path, "other.yml", text)
    return compile_pack([tmp_path], mapping=mapping)


def test_a_syntax_error_is_named_with_line_and_hint_and_spares_the_others(tmp_path: Path) -> None:
    pack = pack_with(
        tmp_path,
        """
        title: Broken
        logsource: {product: test}
        detection:
          selection:
            f: a: b
          condition: selection
        """,
    )
    (refused,) = pack.refused
    assert (Path(refused.path).name, refused.line, refused.column) == ("other.yml", 5, 9)
    assert "quotes" in refused.hint
    assert Matcher(pack).match({"f": "good", **HERE}) == (ID.format(1),)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("condition: s", "condition: s and nothing", 8, "nothing"),
        ("condition: s", "condition: s and", 8, ""),
        ("f|contains: x", "f|contians: x", 7, "contians"),
        ("f|contains: x", "f|re: '('", 5, "invalid"),
        ("f|contains: x", "f|lt: many", 5, ""),
        ("f|contains: x", "f|cidr: 10.0.0.0/33", 5, "CIDR"),
        ("f|contains: x", "f|contains: x\n    f|contains: y", 8, "twice"),
        ("level: low", "level: terrible", 9, "terrible"),
        ("logsource: {product: test, service: unit}", "logsource: {}", 4, ""),
        ("f|contains: x", "f|expand: '%nobody%'", 5, "nobody"),
        ("f|contains: x", "f|re: '(?=a)(a+)+$'", 5, "for ever"),
    ],
)
def test_a_mistake_in_a_rule_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    text = (
        "title: Rule\n"
        "id: 00000000-0000-4000-8000-000000000002\n"
        "status: test\n"
        "logsource: {product: test, service: unit}\n"
        "detection:\n"
        "  s:\n"
        "    f|contains: x\n"
        "  condition: s\n"
        "level: low\n"
    )
    pack = pack_with(tmp_path, text.replace(old, new))
    (refused,) = pack.refused
    assert refused.line == line
    assert said in refused.reason
    assert list(pack.rules) == [ID.format(1)]


def test_a_folder_is_searched_to_the_bottom_and_a_file_may_hold_several_rules(
    tmp_path: Path,
) -> None:
    two = GOOD.format(id=ID.format(1)) + "---" + GOOD.format(id=ID.format(2))
    write(tmp_path / "a" / "b", "two.yml", two)
    assert list(compile_pack([tmp_path], mapping="native").rules) == [ID.format(1), ID.format(2)]


def test_of_two_rules_with_one_id_the_second_is_refused(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, GOOD.format(id=ID.format(1)))
    (refused,) = pack.refused
    assert "good.yml" in refused.hint


def test_bytes_that_are_not_text_are_refused_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes(b"title: ok\nid: \xe9\n")
    (refused,) = compile_pack([tmp_path], mapping="native").refused
    assert (refused.line, refused.reason) == (2, "not UTF-8")


def test_a_file_that_is_no_rule_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "list.yml", "- a\n- b\n")
    (refused,) = compile_pack([tmp_path], mapping="native").refused
    assert "mapping" in refused.reason


def test_a_folder_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no such"):
        compile_pack([tmp_path / "nothing"], mapping="native")


def test_a_field_that_no_event_has_is_named(tmp_path: Path) -> None:
    """A rule over a field outside the published list can never match, and says so."""
    content = rule(1, {"s": {"proces.name": "x"}, "condition": "s"})
    pack = compile_pack([write_rules(tmp_path, [content])], mapping="ecs")
    (idle,) = pack.cannot_match
    assert idle.fields == ("proces.name",)
    assert not pack.rules


def test_a_log_source_that_nothing_delivers_is_named(tmp_path: Path) -> None:
    """Closed by default: such a rule is not asked about every event."""
    source = {"product": "windows", "category": "file_access"}
    content = rule(1, {"s": {"Image": "x"}, "condition": "s"}, logsource=source)
    pack = compile_pack([write_rules(tmp_path, [content])], mapping="ecs")
    (idle,) = pack.cannot_match
    assert "file_access" in idle.reason


def test_a_filter_of_the_folder_is_applied(tmp_path: Path) -> None:
    """Sigma filters narrow the rules they name."""
    good = write(tmp_path, "good.yml", GOOD.format(id=ID.format(1)))
    assert good.exists()
    write(
        tmp_path,
        "filter.yml",
        f"""
        title: Not our own scanner
        id: {ID.format(7)}
        logsource: {{product: test, service: unit}}
        filter:
          rules: [{ID.format(1)}]
          selection: {{host: scanner}}
          condition: not selection
        """,
    )
    matcher = Matcher(compile_pack([tmp_path], mapping="native"))
    assert matcher.match({"f": "good", "host": "other", **HERE})
    assert not matcher.match({"f": "good", "host": "scanner", **HERE})


def test_own_attributes_reach_the_facts(tmp_path: Path) -> None:
    custom = {"title_vi": "Luật", "meaning_vi": "Nghĩa", "entity": "user.name"}
    tags = ["attack.execution", "attack.t1059.004"]
    content = rule(1, {"s": {"f": "x"}, "condition": "s"}, custom=custom, tags=tags)
    facts = compile_pack([write_rules(tmp_path, [content])], mapping="native").rules[ID.format(1)]
    assert (facts.title_vi, facts.meaning_vi, facts.entity) == ("Luật", "Nghĩa", "user.name")
    assert facts.techniques == ("T1059.004",)
    assert facts.condition == "s"


def test_a_file_nested_very_deep_is_refused_and_spares_the_others(tmp_path: Path) -> None:
    """Reading it must not take the process along."""
    pack = pack_with(tmp_path, "title: " + "[" * 500_000)
    assert len(pack.rules) == 1
    assert "nested over 200 deep" in pack.refused[0].reason
    assert pack.refused[0].line == 1
