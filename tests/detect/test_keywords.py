"""The quick look for keywords in an event's JSON misses nothing that the slow look finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc.detect.matcher import Matcher
from soc.detect.whole_event import KeywordSignature
from tests.detect import plain_evaluator
from tests.detect.builders import HERE, pack_of

KEYWORDS = (
    *(
        'say "hi"',
        "back\\slash",
        "two\\\\",
        "end\\",
        "tab\there",
        "line\nfeed",
        "\x01bell",
        "Kelvin",
    ),
    *(
        "a?b",
        "a*z",
        "a\\*z",
        "slash/",
        "<script>",
        "mimi::katz",
        "sekurlsa::",
        "x\x7fy",
        "{}",
        '":"',
    ),
)
VALUES = (
    *(
        'He SAY "HI" x',
        "c:\\back\\slash",
        "two\\",
        "two\\\\",
        "the end\\",
        "tab\tHERE",
        "line\nfeed",
    ),
    *(
        "\x01BELL",
        "\u212aelvin",
        "kelvin",
        'a"b',
        "a\\b",
        "a\nb",
        "a\x02b",
        "ađb",
        "a z",
        "a*z",
        "é",
    ),
    *(
        "slash/",
        "<SCRIPT>",
        "MIMI::KATZ!",
        "x\x7fy",
        "{}",
        '":"',
        "\ud800 mimi::katz",
        "",
        "🦎 kelvin",
    ),
)


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_is_found_in_whatever_json_makes_of_the_value(
    tmp_path: Path, keyword: str
) -> None:
    """Quotes, backslashes and control characters are escaped there; the Kelvin sign is not ASCII."""
    detection = {"k": [keyword], "condition": "k"}
    matcher = Matcher(pack_of(tmp_path, detection))
    content = {"detection": detection}
    for value in VALUES:
        for event in ({"f": value, **HERE}, {"f": ["x", value], "n": 5, **HERE}):
            expected = plain_evaluator.matches(content, event)
            assert bool(matcher.match(event)) is expected, (keyword, value)


def test_the_quick_look_is_taken(tmp_path: Path) -> None:
    """Otherwise the test above would show nothing."""
    matcher = Matcher(pack_of(tmp_path, {"k": list(KEYWORDS), "condition": "k"}))
    signature = matcher.derived[""]
    assert isinstance(signature, KeywordSignature)
    assert signature._scan is not None
