"""``make bench``: read, match, store and end to end, with memory. Each part is a process of its own.

``python -m bench [PART...]`` runs only the parts named.
"""

from __future__ import annotations

import subprocess
import sys

PARTS = (
    "read",
    "detect",
    "generated",
    "forecast",
    "reload",
    "store",
    "store_elastic",
    "end_to_end",
    "memory",
    "sensor",
)


def main() -> int:
    wanted = sys.argv[1:] or list(PARTS)
    failed = []
    for part in wanted:
        print(f"\n== {part}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{part}"], check=False).returncode:
            failed.append(part)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
