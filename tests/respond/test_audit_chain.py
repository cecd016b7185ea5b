from __future__ import annotations

import pytest
from sqlalchemy import text

from soc.records.audit import audit, broken_link, last_digest
from tests.respond.builders import CONSTRUCTION, FINANCE, PROVINCE, T, after


@pytest.fixture
def chained(database):
    """Five acts by people of three scopes."""
    for number, scope in enumerate((PROVINCE, CONSTRUCTION, FINANCE, CONSTRUCTION, PROVINCE)):
        with database.write(scope) as session:
            audit(
                session, scope, "alert.close", "alert", f"CB-{number}", "lý do", {"n": number},
                now=after(minutes=number), agency_id="sxd",
            )  # fmt: skip
    return database


def verified(database):
    with database.session(PROVINCE) as session:
        return broken_link(session)


def tamper(database, statement):
    with database.write(PROVINCE) as session:
        session.execute(text(statement))


def test_an_untouched_log_holds_although_its_writers_see_different_agencies(chained):
    """The chain is one, whatever the scope of who appends."""
    assert verified(chained) is None


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE audit SET text = 'khác' WHERE number = 3", 3),
        ("UPDATE audit SET actor = 'x' WHERE number = 1", 1),
        ("UPDATE audit SET at = '2020-01-01 00:00:00.000000' WHERE number = 2", 2),
        ("UPDATE audit SET detail = '{}' WHERE number = 4", 4),
        ("UPDATE audit SET agency_id = 'stc' WHERE number = 4", 4),
        ("DELETE FROM audit WHERE number = 2", 3),
        ("DELETE FROM audit WHERE number = 1", 2),
    ],
)
def test_tampering_is_found_at_its_row(chained, statement, number):
    """Changed or removed, in any column."""
    tamper(chained, statement)
    assert verified(chained).number == number


def test_rows_cut_off_at_the_end_show_against_a_kept_seal(chained):
    """The chain itself cannot know; the last digest kept elsewhere can."""
    with chained.session(PROVINCE) as session:
        seal = last_digest(session)
    tamper(chained, "DELETE FROM audit WHERE number = 5")
    with chained.session(PROVINCE) as session:
        assert broken_link(session) is None
        assert last_digest(session) != seal


def test_an_act_that_fails_leaves_no_row(database):
    """Act and audit are one transaction."""

    def act():
        with database.write(PROVINCE) as session:
            audit(session, PROVINCE, "x", "alert", "1", now=T)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        act()
    assert verified(database) is None
    with database.session(PROVINCE) as session:
        assert last_digest(session) == "0" * 64


def test_two_acts_in_one_transaction_are_chained(database):
    """The second sees the first although neither is committed."""
    with database.write(PROVINCE) as session:
        first = audit(session, PROVINCE, "a", "alert", "1", now=T)
        second = audit(session, PROVINCE, "b", "alert", "1", now=T)
        assert second.previous == first.digest
