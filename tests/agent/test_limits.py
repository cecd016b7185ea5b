"""The ceilings that the agent keeps for itself."""

from __future__ import annotations

import pytest

from collectors.agent.config import Limits
from collectors.agent.limits import Ceiling
from collectors.agent.notices import Notices

LIMITS = Limits(memory_bytes=100, cpu_percent=10.0)


@pytest.fixture
def ceiling() -> Ceiling:
    made = Ceiling(LIMITS, Notices("host", is_quiet=True), lambda: stopped.append(True))
    stopped: list[bool] = []
    made.stopped = stopped
    return made


def test_below_both_ceilings_nobody_is_slowed(ceiling):
    for second in range(10):
        ceiling.look(second, second * 0.05, 50)
    assert ceiling.pause_seconds == 0.0


def test_above_the_cpu_ceiling_durable_inputs_are_slowed_and_it_is_said_once(ceiling):
    for second in range(10):
        ceiling.look(second, second * 0.5, 50)
    assert ceiling.pause_seconds > 0.0
    assert len(ceiling.notices.recent) == 1


def test_when_it_is_quiet_again_they_are_let_go(ceiling):
    for second in range(5):
        ceiling.look(second, second * 0.5, 50)
    for second in range(5, 40):
        ceiling.look(second, 2.0, 50)
    assert ceiling.pause_seconds == 0.0


def test_twice_the_memory_for_half_a_minute_ends_the_agent(ceiling):
    for second in range(0, 28, 2):
        ceiling.look(second, 0.0, 201)
    assert not ceiling.stopped
    ceiling.look(30, 0.0, 201)
    assert ceiling.stopped
