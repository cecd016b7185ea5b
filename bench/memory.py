"""How long a small site takes to start, and its idle memory: the sum of PSS of all its processes."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench.running_site import processes_below, proportional_memory_bytes, running_site

GOAL_MIB = 600
IDLE_SECONDS = 20
START_SECONDS = 10


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with running_site(home, "--demo") as site:
            first = site.ready_in_seconds
        with running_site(home, "--demo") as site:
            print(
                f"  first start {first} s, second start {site.ready_in_seconds} s (goal: under {START_SECONDS})"
            )
            time.sleep(IDLE_SECONDS)
            total = sum(map(told, processes_below(site.process.pid)))
    print(f"idle memory of all processes: {total:.0f} MiB (goal: at most {GOAL_MIB})")
    return 0


def told(pid: int) -> float:
    """Print one process; its PSS in MiB."""
    name = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    mib = proportional_memory_bytes(pid) / 2**20
    print(f"  {mib:6.1f} MiB  {name[-60:]}")
    return mib


if __name__ == "__main__":
    sys.exit(main())
