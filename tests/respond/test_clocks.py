from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from soc.respond.clocks import AT_ONCE, FIRST_NOTICE, REPORT, Answers, obligations, owed_kinds
from tests.respond.builders import T


def test_before_anybody_answers_every_clock_runs():
    """Undecided means the stricter clock."""
    assert owed_kinds(Answers()) == (AT_ONCE, FIRST_NOTICE, REPORT)


def test_an_ordinary_incident_owes_the_72_hour_report_only():
    """Three times no."""
    assert owed_kinds(Answers(False, False, False)) == (REPORT,)


def test_a_serious_incident_owes_a_first_notice_within_24_hours():
    """NĐ 331 art. 31.2.d."""
    assert owed_kinds(Answers(True, False, False)) == (FIRST_NOTICE, REPORT)


@pytest.mark.parametrize("answers", [Answers(False, True, False), Answers(False, False, True)])
def test_harm_to_security_or_serious_disruption_is_told_at_once(answers):
    """Either of them is enough."""
    assert owed_kinds(answers) == (AT_ONCE, REPORT)


@pytest.mark.parametrize("given", list(product([True, False, None], repeat=3)))
def test_leaving_a_question_open_never_owes_less_than_answering_it(given):
    """For every combination of answers."""
    undecided = Answers(*(None if answer is False else answer for answer in given))
    assert set(owed_kinds(Answers(*given))) <= set(owed_kinds(undecided))


def test_all_clocks_run_in_calendar_hours_from_the_detection():
    """Weekends and nights count."""
    due = {one.kind: one.due_at - T for one in obligations(T, Answers())}
    assert due == {
        AT_ONCE: timedelta(0),
        FIRST_NOTICE: timedelta(hours=24),
        REPORT: timedelta(hours=72),
    }


def test_an_obligation_is_overdue_only_after_its_minute():
    """On the dot is in time; done is never overdue."""
    notice = obligations(T, Answers())[1]
    assert not notice.overdue(T + timedelta(hours=24))
    assert notice.overdue(T + timedelta(hours=24, seconds=1))
