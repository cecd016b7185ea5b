"""The matcher's memory stays flat when every value is new: a cut of ``make bench``'s part."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from bench.generated import events, growth
from soc.detect.packs import Pack

ROOT = Path(__file__).parent.parent.parent
CUT = (
    "--events",
    "300000",
    "--warm",
    "100000",
    "--simulated",
    "0",
    "--values",
    "2048",
    "--tuples",
    "4096",
)


@pytest.mark.slow
def test_three_hundred_thousand_events_of_new_values_take_no_more_memory(
    pack: Pack, pack_cache: Path
) -> None:
    """Smaller memories than the product's, so that they are full after the warm-up; the same code."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.generated", *CUT, "--cache", str(pack_cache)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "growth after the warm-up" in done.stdout


@pytest.mark.parametrize(
    ("mib", "share"),
    [
        ([90.0, 100.0, 100.0, 100.0], 0.0),
        ([90.0, 100.0, 109.0, 101.0], 0.09),
        ([50.0, 100.0, 90.0, 80.0], 0.0),
    ],
)
def test_growth_is_the_greatest_after_the_warm_up(mib: list[float], share: float) -> None:
    """What grew while memories filled does not count; a peak in the middle does."""
    assert growth(enumerate(mib, 1), 2) == pytest.approx(share)


def test_no_long_text_occurs_twice() -> None:
    """Names that choose the rules repeat; hosts, people, commands and addresses of pages do not."""
    seen: set[str] = set()
    for event in itertools.islice(events(), 8_000):
        for name in (
            "host.name",
            "user.name",
            "process.command_line",
            "url.original",
            "winlog.event_data.TargetSid",
        ):
            if name in event:
                assert event[name] not in seen
                seen.add(event[name])
    assert len(seen) > 10_000
