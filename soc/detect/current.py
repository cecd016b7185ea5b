"""The pack in use: ``<packs>/current`` names the digest, ``<packs>/<digest>.pack`` holds it.

The worker publishes; the door and the desk look whether ``current`` has changed and load the new pack. The file
``<digest>.json`` beside it says what became of every rule, for the health page; ``<digest>.correlations`` has what the
worker needs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from soc.detect.correlation.rule import Correlations
from soc.detect.matcher import Matcher
from soc.detect.packs import (
    Pack,
    correlations_of,
    load_correlations,
    load_pack,
    save_correlations,
    save_pack,
)
from soc.errors import RuleError

CURRENT = "current"


def current_digest(packs_home: Path) -> str | None:
    """The digest of the pack in use, or None while there is none."""
    try:
        return (packs_home / CURRENT).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def load_current(packs_home: Path) -> Pack:
    """The pack in use.

    Raises:
        RuleError: none has been published yet, or it is damaged.
    """
    digest = current_digest(packs_home)
    if digest is None:
        raise RuleError("no rules have been compiled yet", path=packs_home, hint="start the worker")
    try:
        return load_pack(packs_home / f"{digest}.pack")
    except FileNotFoundError as error:
        hint = "the worker compiles the rules again when it starts"
        raise RuleError("the pack in use is missing", path=packs_home, hint=hint) from error


def publish(pack: Pack, packs_home: Path) -> None:
    """Make a pack the one in use, and drop all but it and the one before."""
    path = packs_home / f"{pack.digest}.pack"
    if not path.exists():
        save_pack(pack, path)
    before = current_digest(packs_home)
    _write(packs_home / f"{pack.digest}.json", orjson.dumps(states(pack)))
    _write(packs_home / f"{pack.digest}.correlations", save_correlations(correlations_of(pack)))
    _write(packs_home / CURRENT, pack.digest.encode())
    kept = {pack.digest, before}
    for old in packs_home.glob("*.*"):
        if old.stem not in kept:
            old.unlink(missing_ok=True)


class CurrentCorrelations:
    """The correlations of the pack in use, for a process that does not need its rules."""

    def __init__(self, packs_home: Path) -> None:
        self._home = packs_home
        self._digest: str | None = None
        self._held = Correlations()

    def __call__(self) -> Correlations:
        digest = current_digest(self._home)
        if digest is not None and digest != self._digest:
            content = (self._home / f"{digest}.correlations").read_bytes()
            self._held, self._digest = load_correlations(content), digest
        return self._held


def states(pack: Pack) -> dict[str, Any]:
    """What became of the rules: how many are active, and each refused or impossible one with its reason."""
    return {
        "digest": pack.digest,
        "mapping": pack.mapping,
        "active": len(pack.rules) + len(pack.correlations),
        "refused": [asdict(one) for one in pack.refused],
        "cannot_match": [asdict(one) for one in pack.cannot_match],
    }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        part.write(content)
    Path(part.name).replace(path)


class CurrentMatcher:
    """The matcher of the pack in use; ``refresh`` now and then, and use ``matcher`` for a whole batch."""

    def __init__(self, packs_home: Path, limits: Mapping[str, int] | None = None) -> None:
        """``limits``: ``values_each`` and ``tuples_each`` of the Matcher.

        Raises:
            RuleError: no usable pack.
        """
        self._home = packs_home
        self._limits = dict(limits or {})
        self.matcher = Matcher(load_current(packs_home), **self._limits)

    def refresh(self) -> bool:
        """Load the pack if another one is in use now; True if so.

        Raises:
            RuleError: the new pack is not usable. ``matcher`` stays as it was.
        """
        if current_digest(self._home) in (None, self.matcher.digest):
            return False
        self.matcher = Matcher(load_current(self._home), **self._limits)
        return True
