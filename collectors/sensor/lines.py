"""Cuts a side's bytes into lines, within a limit."""

from __future__ import annotations

from collections.abc import Iterator


class Lines:
    """Lines of text protocols, without their ends. A line over the limit is cut; its rest is dropped."""

    __slots__ = ("_held", "_is_dropping", "longest")

    def __init__(self, longest: int = 8192) -> None:
        self.longest = longest
        self._held = bytearray()
        self._is_dropping = False

    def take(self, data: bytes) -> Iterator[bytes]:
        """The lines that ``data`` completes. Stop early and ``rest`` has what was not asked for."""
        self._held += data
        while True:
            end = self._held.find(b"\n")
            if end < 0:
                if len(self._held) > self.longest:
                    if not self._is_dropping:
                        yield bytes(self._held[: self.longest])
                    self._is_dropping = True
                    self._held.clear()
                return
            line = bytes(self._held[:end]).rstrip(b"\r")[: self.longest]
            del self._held[: end + 1]
            if self._is_dropping:
                self._is_dropping = False
            else:
                yield line

    def rest(self) -> bytes:
        """Take what is held and no line yet."""
        held = bytes(self._held)
        self._held.clear()
        return held
