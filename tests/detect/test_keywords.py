"""The quick look for keywords in an event's JSON misses nothing that the slow look finds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
            for written in others_write(event):
                assert bool(matcher.match(event, written)) is expected, (keyword, value, written)


def others_write(event: Mapping[str, Any]) -> Iterator[bytes]:
    """The event as other programs write JSON: escapes that need not be, spaces, one field a line."""
    yield json.dumps(event).encode()
    yield json.dumps(event, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    yield json.dumps(event).replace("/", "\\/").encode()
    yield (
        "{" + ",".join(f"{json.dumps(key)}:{hidden(event[key])}" for key in event) + "}"
    ).encode()


def hidden(value: Any) -> str:
    """A value's JSON with every character as an escape."""
    if isinstance(value, list):
        return f"[{','.join(map(hidden, value))}]"
    if not isinstance(value, str):
        return json.dumps(value)
    units = value.encode("utf-16-be", "surrogatepass").hex()
    return '"' + "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)) + '"'


def test_the_quick_look_is_taken(tmp_path: Path) -> None:
    """Otherwise the test above would show nothing."""
    matcher = Matcher(pack_of(tmp_path, {"k": list(KEYWORDS), "condition": "k"}))
    signature = matcher.derived[""]
    assert isinstance(signature, KeywordSignature)
    assert signature._scan is not None
    assert signature.lacks(b'{"f": "nothing of the kind"}')
