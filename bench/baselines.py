"""How quick are the counters of every flow? ``python -m bench.baselines``: events observed per CPU second, memory.

Flows of 2,000 machines to 5,000 addresses, a tenth of them refused, a tenth questions of DNS.
"""

from __future__ import annotations

import random
import resource
import sys
import time

from tests.detect.baselines.flows import asked, detectors, flow

EVENTS = 50_000


def main() -> int:
    chance = random.Random(1)
    events = [
        asked(n / 50, f"10.14.{n % 8}.{n % 250 + 1}", f"w{chance.randrange(3_000)}.example.com")
        if n % 10 == 0
        else flow(
            n / 50,
            f"10.14.{n % 8}.{n % 250 + 1}",
            f"203.0.{chance.randrange(20)}.{chance.randrange(1, 251)}",
            chance.choice([80, 443, 443, 443, 22, 25]),
            answered=n % 10 != 1,
        )
        for n in range(EVENTS)
    ]
    one, started, found = detectors(), time.process_time(), 0
    for event in events:
        found += sum(1 for _ in one.observe(event))
    took = time.process_time() - started
    started = time.process_time()
    size = len(one.dump())
    saved = time.process_time() - started
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"counters: {EVENTS / took:,.0f} events per CPU second, {found} findings; state {size / 1e6:.1f} MB"
    )
    print(f"  saved in {saved:.2f} s; resident {resident:.0f} MiB with the events themselves")
    return 0


if __name__ == "__main__":
    sys.exit(main())
