"""Idle memory of the whole small site with demo records: the sum of PSS of all its processes."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench.running_site import processes_below, proportional_memory_bytes, running_site

GOAL_MIB = 600
IDLE_SECONDS = 20


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, running_site(Path(folder), "--demo") as site:
        time.sleep(IDLE_SECONDS)
        total = 0.0
        for pid in processes_below(site.process.pid):
            name = (
                Path(f"/proc/{pid}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")
            )
            mib = proportional_memory_bytes(pid) / 2**20
            total += mib
            print(f"  {mib:6.1f} MiB  {name[-60:]}")
        print(
            f"idle memory of all processes: {total:.0f} MiB (goal: at most {GOAL_MIB}); "
            f"first start {site.ready_in_seconds} s"
        )
    return 0 if total <= GOAL_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
