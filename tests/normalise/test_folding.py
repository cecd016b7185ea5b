"""The one case folding."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.normalise.folding import ODD, fold

EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CMD.EXE", "cmd.exe"),
        ("Trần Phú", "TRẦN PHÚ"),
        ("Đà Nẵng", "đà nẵng"),
        (unicodedata.normalize("NFD", "Nguyễn"), "NGUYỄN"),
        ("İSTANBUL", "istanbul"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("\u212aelvin", "kelvin"),
        ("ſtraße", "STRAßE"),
        ("ＰＯＷＥＲ", "ｐｏｗｅｒ"),
        ("ПРИВЕТ", "привет"),
    ],
)
def test_texts_that_differ_in_case_only_are_equal(one: str, other: str) -> None:
    """Search finds either by the other."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("mã", "ma"), ("đ", "d"), ("ı", "i"), ("ß", "ss"), ("ｃｍｄ", "cmd"), ("ơ", "o")],
)
def test_other_letters_stay_other_letters(one: str, other: str) -> None:
    """A look-alike is evidence; folding must not hide it."""
    assert fold(one) != fold(other)


def test_every_character_folds_to_one_character() -> None:
    """So ``?`` in a wildcard still means one character."""
    composed = [one for one in EVERY_CHARACTER if unicodedata.is_normalized("NFC", one)]
    assert [one for one in composed if len(fold(one)) != 1] == []


def test_folding_twice_changes_nothing_for_every_character() -> None:
    """Stored text and query text meet, whoever folded first."""
    assert [one for one in EVERY_CHARACTER if fold(fold(one)) != fold(one)] == []


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    """The same for whole texts, where characters may compose."""
    assert fold(fold(text)) == fold(text)


@given(st.text(alphabet=st.characters(max_codepoint=0x17F)))
def test_upper_and_lower_case_fold_alike(text: str) -> None:
    """Of letters whose capitals are one letter too (``ß`` has two, ``ı`` and ``ŉ`` are not each other's)."""
    plain = "".join(one for one in text if len(one.upper()) == 1 and one not in "ıİ")
    assert fold(plain.upper()) == fold(plain)


def test_the_table_of_odd_characters_is_unicodes() -> None:
    """Derived anew: simple case folding, small letters where folding gives capitals, ``İ`` as in Java."""

    def simple(character: str) -> str:
        if character == "İ":
            return "i"
        folded = character.casefold() if len(character.casefold()) == 1 else character
        return folded.lower() if len(folded.lower()) == 1 else folded

    odd = {ord(one): ord(simple(one)) for one in EVERY_CHARACTER if one.lower() != simple(one)}
    assert odd | {ord("Σ"): ord("σ")} == ODD
