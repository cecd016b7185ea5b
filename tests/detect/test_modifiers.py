"""Every Sigma value type and modifier, one fact each."""

from __future__ import annotations

from typing import Any

import pytest

YES, NO = True, False


@pytest.mark.parametrize(
    ("selection", "value", "expected"),
    [
        # plain values: the whole value, without case
        ({"f": "cmd.exe"}, "CMD.EXE", YES),
        ({"f": "cmd.exe"}, "xcmd.exe", NO),
        ({"f": "cmd.exe"}, "cmd.exe\n", NO),
        ({"f": "ĐẶNG"}, "đặng", YES),
        ({"f": "ĐẶNG"}, "dang", NO),
        ({"f": "straße"}, "STRASSE", NO),
        ({"f": "İstanbul"}, "istanbul", YES),
        ({"f": ""}, "", YES),
        ({"f": ""}, " ", NO),
        # wildcards and escapes
        ({"f": "a*c"}, "a\nbc", YES),
        ({"f": "a?c"}, "abc", YES),
        ({"f": "a?c"}, "ac", NO),
        ({"f": "a?c"}, "ađc", YES),
        ({"f": "a?c"}, "a😀c", YES),
        ({"f": "a?c"}, "a\ud800c", YES),
        ({"f": r"a\*c"}, "a*c", YES),
        ({"f": r"a\*c"}, "abc", NO),
        ({"f": r"a\?c"}, "a?c", YES),
        ({"f": r"\\\\*\\ADMIN$"}, r"\\fs01\ADMIN$", YES),
        ({"f": r"\\\\\*\\ADMIN$"}, r"\\*\ADMIN$", YES),
        ({"f": r"\\\\\*\\ADMIN$"}, r"\\fs01\ADMIN$", NO),
        ({"f": "*"}, "anything", YES),
        ({"f": "*"}, "", YES),
        ({"f": "?*"}, "", NO),
        ({"f": "/../../"}, "x", NO),
        # contains, startswith, endswith, all
        ({"f|contains": "ELL"}, "powershell", YES),
        ({"f|contains": "e?l"}, "powershell", YES),
        ({"f|contains": ["x", "ell"]}, "powershell", YES),
        ({"f|contains|all": ["power", "shell"]}, "powershell", YES),
        ({"f|contains|all": ["power", "xx"]}, "powershell", NO),
        ({"f|startswith": "Power"}, "powershell", YES),
        ({"f|startswith": "ower"}, "powershell", NO),
        ({"f|endswith": "\\CMD.exe"}, "C:\\cmd.exe", YES),
        ({"f|endswith": "cmd"}, "cmd\n", NO),
        ({"f|contains": "a.c"}, "abc", NO),
        # cased
        ({"f|cased": "Cmd"}, "Cmd", YES),
        ({"f|cased": "Cmd"}, "cmd", NO),
        ({"f|contains|cased": "Cmd"}, "xCmdx", YES),
        ({"f|contains|cased": "Cmd"}, "xcmdx", NO),
        ({"f|startswith|cased": "Đ?"}, "Đặng", YES),
        ({"f|startswith|cased": "Đ?"}, "đặng", NO),
        ({"f|contains|cased": "Cmd"}, "\ud800Cmd", YES),
        # encodings
        ({"f|base64": "foo"}, "Zm9v", YES),
        ({"f|base64offset|contains": "foobar"}, "xxZm9vYmFyxx", YES),
        ({"f|base64offset|contains": "foobar"}, "IGZvb2Jhcg==", YES),
        ({"f|wide|base64offset|contains": "ping"}, "cABpAG4AZwAgACUA", YES),
        ({"f|utf16|base64": "ab"}, "77u/YQBiAA==", YES),
        # regular expressions: somewhere, with case
        ({"f|re": "b+c"}, "abbc", YES),
        ({"f|re": "^b"}, "ab", NO),
        ({"f|re": "B"}, "abc", NO),
        ({"f|re|i": "B"}, "abc", YES),
        ({"f|re": "a.c"}, "a\nc", NO),
        ({"f|re|s": "a.c"}, "a\nc", YES),
        ({"f|re": "^c"}, "a\nc", NO),
        ({"f|re|m": "^c"}, "a\nc", YES),
        ({"f|re|m": "^$"}, "a\n", NO),
        ({"f|re|m": "^$"}, "a\n\ud800\n", NO),
        ({"f|re|m": "^$"}, "a\n\nb", YES),
        ({"f|re|m": "^$"}, "", YES),
        ({"f|re|m": "(?=a)^[^^]"}, "\na", YES),
        ({"f|re": "(?=ab)a"}, "xab", YES),
        ({"f|re": r"(a)\1"}, "aa", YES),
        ({"f|re": r"\d{2}:\d+"}, "at 12:5", YES),
        ({"f|re": "c$"}, "abc\n", YES),
        ({"f|re": r"c\Z"}, "abc\n", NO),
        ({"f|re": "a.c"}, "ađc", YES),
        ({"f|re": "a.c"}, "a\ud800c", YES),
        # addresses
        ({"f|cidr": "10.0.0.0/8"}, "10.200.3.4", YES),
        ({"f|cidr": "10.0.0.0/8"}, "11.0.0.1", NO),
        ({"f|cidr": "10.0.0.0/8"}, "::ffff:10.1.1.1", YES),
        ({"f|cidr": "10.0.0.0/8"}, "10.1.1.1.example", NO),
        ({"f|cidr": "fe80::/10"}, "fe80::1", YES),
        ({"f|cidr": ["192.0.2.0/24", "2001:db8::/32"]}, "2001:db8::5", YES),
        # numbers
        ({"f": 3389}, "3389", YES),
        ({"f": "3389"}, 3389, YES),
        ({"f": 3389}, 3389.0, YES),
        ({"f": 3389}, "03389", NO),
        ({"f": 1}, True, NO),
        ({"f": True}, "True", YES),
        ({"f": True}, True, YES),
        ({"f": True}, 1, NO),
        ({"f|lt": 5}, 4, YES),
        ({"f|lt": 5}, "4.9", YES),
        ({"f|lt": 5}, 5, NO),
        ({"f|lte": 5}, 5, YES),
        ({"f|gt": 5}, "0x10", YES),
        ({"f|gt": 5}, "many", NO),
        ({"f|gte": 5}, 5.0, YES),
        ({"f|gt": 0}, True, NO),
        # not equal, null, exists
        ({"f|neq": "a"}, "b", YES),
        ({"f|neq": "a"}, "A", NO),
        ({"f|neq": ["a", "b"]}, "b", NO),
        ({"f": None}, "", NO),
        ({"f": None}, None, YES),
        ({"f": None}, [], YES),
        ({"f": None}, [None], YES),
        ({"f": None}, ["a", None], NO),
        ({"f|exists": True}, "", YES),
        ({"f|exists": True}, None, YES),
        ({"f|exists": False}, "x", NO),
        # dashes of Windows
        ({"f|windash|contains": " -enc "}, "x /enc y", YES),
        ({"f|windash|contains": " -enc "}, "x –enc y", YES),
        ({"f|contains": " -enc "}, "x /enc y", NO),
        # lists of values: any
        ({"f": "b"}, ["a", "b"], YES),
        ({"f|contains|all": ["x", "y"]}, ["ax", "by"], YES),
        ({"f|cidr": "10.0.0.0/8"}, ["8.8.8.8", "10.0.0.1"], YES),
        ({"f": 2}, [1, 2], YES),
        ({"f|neq": "b"}, ["a", "b"], NO),
        # parts of times
        ({"f|hour": 3}, "2026-11-22T03:10:00Z", YES),
        ({"f|hour": 3}, "2026-11-22T04:10:00Z", NO),
        ({"f|minute": 10}, "2026-11-22T03:10:00Z", YES),
        ({"f|day": 22}, "2026-11-22 03:10:00", YES),
        ({"f|week": 47}, "2026-11-22", YES),
        ({"f|month": 11}, "2026-11-22", YES),
        ({"f|year": 2026}, "yesterday", NO),
    ],
)
def test_a_value_is_judged_as_the_specification_says(
    judged: Any, selection: dict[str, Any], value: Any, expected: bool
) -> None:
    """Including the corners: case beyond ASCII, escapes, surrogates, numbers as text, lists."""
    assert judged(selection).says(f=value) is expected


def test_an_absent_field_is_null(judged: Any) -> None:
    """SigmaHQ's filters rely on it."""
    assert judged({"f": None}).says(other="x")


def test_an_absent_field_is_not_there(judged: Any) -> None:
    assert judged({"f|exists": False}).says(other="x")
    assert not judged({"f|exists": True}).says(other="x")


def test_a_missing_field_makes_a_filter_false_not_the_rule_inapplicable(judged: Any) -> None:
    found = judged(
        {"a": {"f": "x"}, "filter": {"parent": "y"}, "condition": "a and not 1 of filter*"}
    )
    assert found.says(f="x")


@pytest.mark.parametrize(
    ("key", "a", "b", "expected"),
    [
        ("f|fieldref", "Same", "same", True),
        ("f|fieldref", "x", "y", False),
        ("f|fieldref|startswith", "abc", "AB", True),
        ("f|fieldref|endswith", "abc", "bc", True),
        ("f|fieldref|contains", "abcd", "bc", True),
        ("f|fieldref|neq", "x", "y", True),
        ("f|fieldref", 5, "5", True),
        ("f|fieldref", ["a", "b"], ["c", "b"], True),
    ],
)
def test_a_field_is_compared_with_another(
    judged: Any, key: str, a: Any, b: Any, expected: bool
) -> None:
    assert judged({key: "g"}).says(f=a, g=b) is expected


def test_a_reference_to_an_absent_field_does_not_hold(judged: Any) -> None:
    assert not judged({"f|fieldref": "g"}).says(f="x")


@pytest.mark.parametrize(
    ("keywords", "fields", "expected"),
    [
        (["mimikatz"], {"a": "x", "b": "run MIMIKATZ.exe"}, True),
        (["mimikatz"], {"mimikatz": "x"}, False),
        (["mimi*katz"], {"a": "mimi and katz"}, True),
        (["mimi*katz"], {"a": "mimi", "b": "katz"}, False),
        (["one", "two"], {"a": "two"}, True),
        ({"|all": ["one", "two"]}, {"a": "one", "b": "two"}, True),
        ({"|all": ["one", "two"]}, {"a": "one"}, False),
        (["b"], {"a": ["x", "abc"]}, True),
        ([4624], {"a": 46241}, True),
        (["true"], {"a": True}, True),
        ({"|re": "k.tz$"}, {"a": "x", "b": "katz"}, True),
        ({"|cased": "Katz"}, {"a": "katz"}, False),
    ],
)
def test_a_keyword_is_looked_for_in_every_value(
    judged: Any, keywords: Any, fields: dict[str, Any], expected: bool
) -> None:
    assert judged({"k": keywords, "condition": "k"}).says(**fields) is expected


def test_a_keyword_found_once_is_found_again_after_clean_values(judged: Any) -> None:
    """The memory of clean values does not hide what comes later."""
    found = judged({"k": ["evil"], "condition": "k"})
    assert [found.says(a=text) for text in ("good", "evil", "good", "evil")] == [
        False,
        True,
        False,
        True,
    ]


def test_placeholders_are_filled_from_the_table(judged: Any) -> None:
    found = judged({"u|expand": "%admins%"}, {"admins": ["root", "quản trị"]})
    assert found.says(u="QUẢN TRỊ")
    assert not found.says(u="%admins%")


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("1 of s*", "a", True),
        ("all of s*", "a", False),
        ("all of them", "a", False),
        ("1 of them", "b", True),
        ("not s1", "b", True),
        ("s1 or not s2", "c", True),
        ("(s1 or s2) and not s1", "b", True),
        ("not (s1 or s2)", "c", True),
        ("s1 and s2", "a", False),
    ],
)
def test_conditions_join_selections(
    judged: Any, condition: str, values: str, expected: bool
) -> None:
    found = judged({"s1": {"f": "a"}, "s2": {"f": "b"}, "condition": condition})
    assert found.says(f=values) is expected


def test_a_list_of_conditions_is_joined_by_or(judged: Any) -> None:
    found = judged({"s1": {"f": "a"}, "s2": {"f": "b"}, "condition": ["s1", "s2"]})
    assert found.says(f="b")


def test_a_list_of_maps_is_joined_by_or(judged: Any) -> None:
    found = judged({"s": [{"f": "a", "g": "b"}, {"h": "c"}], "condition": "s"})
    assert found.says(h="c")
    assert not found.says(f="a")


def test_one_and_true_and_one_point_nought_are_told_apart(judged: Any) -> None:
    """They are one key of a Python dict, so the memory must know their types."""
    found = judged({"f": "true"})
    assert [found.says(f=value) for value in (1, 1.0, True, 1, "1", True)] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]
