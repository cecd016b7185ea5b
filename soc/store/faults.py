"""Faults of the engine as StoreError, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from soc.errors import StoreError


@contextmanager
def faults(doing: str) -> Iterator[None]:
    """Raise what the engine or the disk raises as a StoreError that says what was being done.

    tantivy reports its errors as ValueError; a panic of its Rust side is a BaseException of a class that cannot be
    imported, so it is known by its name.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError, OverflowError) as error:
        raise StoreError(f"{doing}: {error}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise StoreError(f"{doing}: the index engine failed: {error}") from error
