"""What an exporter's sequence numbers say: what was lost on the way, what came late, and a restart."""

from __future__ import annotations

from dataclasses import dataclass

WRAP = 2**32
LATE_WITHIN = 10_000  # units behind what was expected that are a datagram overtaken on the way
BOOT_MOVED_MS = 5_000


@dataclass(slots=True)
class Sequence:
    """One stream of numbers; ``lost`` counts what they count: v5 flows, v9 and sFlow datagrams, IPFIX records."""

    expected: int | None = None
    boot_ms: int | None = None  # modulo 2**32
    lost: int = 0
    restarts: int = 0

    def take(self, sequence: int, count: int | None, boot_ms: int | None = None) -> None:
        """A datagram whose first unit has this number and which holds ``count`` (None: nobody knows).

        ``boot_ms`` is the exporter's time less its uptime: where it moves, a jump is a restart and no loss.
        """
        expected, before = self.expected, self.boot_ms
        self.boot_ms = None if boot_ms is None else boot_ms % WRAP
        following = None if count is None else (sequence + count) % WRAP
        if expected is None or sequence == expected:
            self.expected = following
            return
        ahead = (sequence - expected) % WRAP
        if (
            before is not None
            and boot_ms is not None
            and abs(_signed(boot_ms - before)) > BOOT_MOVED_MS
        ):
            self.restarts += 1
        elif ahead < WRAP // 2:
            self.lost += ahead
        elif WRAP - ahead <= LATE_WITHIN and sequence >= LATE_WITHIN:
            self.lost -= min(self.lost, count or 0)
            return  # overtaken: what is expected stays
        else:
            self.restarts += 1
        self.expected = following


def _signed(difference: int) -> int:
    return (difference + WRAP // 2) % WRAP - WRAP // 2


def before_ms(uptime_ms: int, then_ms: int) -> int:
    """How long before the export an uptime was; both wrap at 2**32, negative if it is later.

    >>> before_ms(10_000, 4_000), before_ms(10_000, 4_294_967_295)
    (6000, 10001)
    """
    return _signed(uptime_ms - then_ms)
