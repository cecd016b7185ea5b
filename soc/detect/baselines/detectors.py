"""All detectors together: events in, findings out; their state as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

from soc.detect.baselines.beacon import Beacons
from soc.detect.baselines.finding import Finding
from soc.detect.baselines.firsts import FirstsSeen
from soc.detect.baselines.names import NamesAsked
from soc.detect.baselines.scan import Scans
from soc.detect.baselines.seen import Seen, is_private, seen
from soc.detect.baselines.servers import ServersSeen
from soc.detect.baselines.spread import Spreads
from soc.detect.baselines.thresholds import Thresholds
from soc.detect.baselines.volume import Volumes
from soc.model.event import Event

FORMAT = 3  # of the state; another one begins anew


class Detector(Protocol):
    name: str

    def observe(self, one: Seen) -> Iterator[Finding]: ...

    def plain(self) -> list[Any]: ...

    def restore(self, plain: list[Any]) -> None: ...

    def held(self) -> tuple[int, int]: ...


class Detectors:
    """``ours`` tells the province's own addresses; private ones are inside anyway."""

    def __init__(
        self, thresholds: Thresholds, ours: Callable[[str], bool] = lambda _: False
    ) -> None:
        def inside(address: str) -> bool:
            return is_private(address) or ours(address)

        self.ours = ours
        self.all: tuple[Detector, ...] = (
            Scans(thresholds.scan),
            Spreads(thresholds.spread, inside),
            Beacons(thresholds.beacon, inside),
            Volumes(thresholds.volume, inside),
            NamesAsked(thresholds.names),
            ServersSeen(thresholds.servers),
            FirstsSeen(thresholds.firsts, inside),
        )

    def observe(self, event: Event) -> Iterator[Finding]:
        """The findings that this event completes."""
        one = seen(event, self.ours)
        if one is not None:
            for detector in self.all:
                yield from detector.observe(one)

    def dump(self) -> bytes:
        """What ``load`` takes."""
        held = {detector.name: detector.plain() for detector in self.all}
        return msgspec.msgpack.encode([FORMAT, held])

    def load(self, dumped: bytes) -> None:
        """Take the state of ``dump``.

        Raises:
            ValueError: another format, or damaged; these detectors may hold a part of it, so begin with new ones.
        """
        try:
            form, held = msgspec.msgpack.decode(dumped, strict=False)
            if form != FORMAT:
                raise ValueError(f"format {form}, and not {FORMAT}")
            for detector in self.all:
                if detector.name in held:
                    detector.restore(held[detector.name])
        except (msgspec.DecodeError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"the counters' state cannot be read: {error}") from error
