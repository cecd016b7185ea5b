"""Mã định danh in both orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.register.identifiers import check_code, to_first_order, to_last_order


@pytest.mark.parametrize(
    ("last", "first"),
    [
        ("000.00.00.H01", "H01"),
        ("000.00.05.H01", "H01.05"),
        ("000.12.05.H01", "H01.05.12"),
        ("012.12.05.H01", "H01.05.12.012"),
    ],
)
def test_the_old_order_and_the_new_say_the_same(last: str, first: str):
    """QCVN 102:2016 wrote the first level last, QĐ 20/2020 writes it first."""
    assert (to_first_order(last), to_last_order(first)) == (first, last)


@given(st.tuples(*[st.integers(1, most) for most in (99, 99, 999)]), st.integers(0, 3))
def test_every_code_with_an_old_form_comes_back(groups: tuple[int, int, int], levels: int):
    """There and back for any agency of any level."""
    written = [f"{groups[0]:02d}", f"{groups[1]:02d}", f"{groups[2]:03d}"][:levels]
    code = ".".join(["H99", *written])
    assert to_first_order(to_last_order(code)) == code


@pytest.mark.parametrize("bad", ["", "h01", "H01..05", ".H01", "H01.", "H01 05", "H01-05", "Đ01"])
def test_other_characters_are_refused(bad: str):
    """Digits, capital letters, single dots between groups."""
    with pytest.raises(ValueError, match="no identifier"):
        check_code(bad)


def test_thirty_five_characters_are_the_most():
    """QĐ 20/2020/QĐ-TTg."""
    assert check_code("H" * 35) == "H" * 35
    with pytest.raises(ValueError, match="36 characters"):
        check_code("H" * 36)


def test_a_level_left_out_in_the_middle_is_refused():
    """Level 3 of no level 2."""
    with pytest.raises(ValueError, match="leaves out a level"):
        to_first_order("000.12.00.H01")


@pytest.mark.parametrize("code", ["H99.100", "H99.01.02.0345", "H99.A1", "G"])
def test_a_code_without_an_old_form_says_so(code: str):
    """Groups of the old order have a fixed width; nothing is cut to fit."""
    with pytest.raises(ValueError, match="no form in the old order"):
        to_last_order(code)
