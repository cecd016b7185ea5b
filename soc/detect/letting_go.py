"""Exchanging rules without a pause: no garbage collection while new ones load, and old ones freed piece by piece.

A matcher of 3,700 rules with its memories is a million objects. Freed with its last reference, it holds Python's lock
for a tenth of a second and more, in whichever thread happens to let go of it.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from soc.detect.field_matcher import FieldMatcher
from soc.detect.matcher import Matcher


@contextmanager
def no_collections() -> Iterator[None]:
    """No garbage collection meanwhile; what is new afterwards is kept out of all collections to come."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if before:
            gc.enable()


class Leaving:
    """A matcher that was replaced. Others may use it for a while; when nobody does, it is freed piece by piece."""

    def __init__(self, matcher: Matcher) -> None:
        """Make this when no new batch can take the matcher up any more; then drop your own reference."""
        self._matcher = weakref.ref(matcher)
        self._pieces = matcher.pieces()

    def let_go(self) -> bool:
        """Free it if nobody uses it any more; whether it is gone.

        Between two pieces other threads get their turn, as between any two steps of Python.
        """
        if self._matcher() is not None:
            return False
        while self._pieces:
            piece = self._pieces.pop()
            while isinstance(piece, dict) and piece:
                piece.popitem()
            if isinstance(piece, FieldMatcher):
                piece.cut()
        return True
