"""Many rules, many matches, hostile events: nothing is capped, nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soc.detect.matcher import Matcher
from soc.detect.native_events import flat
from soc.detect.packs import Pack, compile_pack
from tests.detect.builders import HERE, ID, write

MANY = 5_000
RULE = """title: Rule {number}
id: {id}
status: test
logsource: {{product: test, service: unit}}
detection:
  s:
    f|contains: '{word}'
  condition: s
level: low
"""


def pack_of(folder: Path, words: list[str]) -> Pack:
    """One rule for each word, all in one file."""
    rules = [
        RULE.format(number=number, id=ID.format(number), word=word)
        for number, word in enumerate(words)
    ]
    write(folder, "many.yml", "---\n".join(rules))
    pack = compile_pack([folder], mapping="native")
    assert (len(pack.rules), pack.refused) == (len(words), [])
    return pack


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_thousand_rules_find_each_their_event_and_one_event_finds_them_all(tmp_path: Path):
    words = [f"w{number:05}x" for number in range(MANY)]
    matcher = Matcher(pack_of(tmp_path, words))
    for number, word in enumerate(words):
        assert matcher.match({"f": f"before {word} after", **HERE}) == (ID.format(number),)
    every = matcher.match({"f": " ".join(words), **HERE})
    assert every == tuple(ID.format(number) for number in range(MANY))


def nested(depth: int) -> Any:
    value: Any = "needle"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"f": "x" * 1_000_000 + "needle"}, True),
        ({"f": "x" * 1_000_000}, False),
        ({f"f{number}": "needle" for number in range(10_000)}, False),
        ({f"f{number}": "x" for number in range(10_000)} | {"f": "needle"}, True),
        ({"f": ["x"] * 10_000 + ["needle"]}, True),
        ({"f": "\ud800needle\udfff"}, True),
        ({"f": "\x00needle\x00"}, True),
        ({"f": "ne\u0301edle"}, False),
        ({"f": 10**400}, False),
        ({"f": float("nan")}, False),
        ({"f": {"a": "needle"}}, None),
        ({"f": nested(1_000)}, None),
        ({"f" * 100_000: "needle"}, False),
        ({"": "needle", " ": "needle"}, False),
    ],
)
def test_a_hostile_event_is_judged(tmp_path: Path, event: dict[str, Any], found: bool | None):
    """None: any answer, but an answer."""
    matcher = Matcher(pack_of(tmp_path, ["needle"]))
    said = matcher.match({**event, **HERE})
    assert found is None or bool(said) is found
    assert matcher.match({"f": "needle", **HERE})  # and the next one as ever


def test_maps_nested_a_thousand_deep_are_read_as_far_as_json_allows():
    value: Any = "needle"
    for _ in range(1_000):
        value = {"a": value}
    fields = flat({"f": value})
    assert list(fields.values()) == ["needle"]
