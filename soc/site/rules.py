"""Keeping the compiled rules current: compile when a file changed, and say in the records what became of each rule."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from soc.detect.compile import SOME_REFUSED
from soc.detect.current import load_current
from soc.detect.packs import Pack
from soc.errors import SettingsError
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.jobs import RuleStateRow
from soc.settings import Settings
from soc.site import rule_folders

RULES = Scope.province("rules")


def fingerprint(settings: Settings) -> str:
    """Changes when a file below the rule folders is added, removed or written."""
    total = hashlib.sha256()
    for folder in rule_folders(settings):
        for path in sorted(folder.rglob("*.y*ml")):
            stat = path.stat()
            total.update(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\n".encode())
    return total.hexdigest()


def compile_rules(settings: Settings) -> None:
    """Compile in a process of its own, so that what it loads is given back; bad rules are listed, not fatal.

    Raises:
        SettingsError: a rule folder is missing, or the compiler failed as a whole.
    """
    command = [sys.executable, "-m", "soc.detect.compile", "--home", str(settings.packs_home)]
    done = subprocess.run(
        [*command, *map(str, rule_folders(settings))], stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode not in (0, SOME_REFUSED):
        raise SettingsError(f"the rules were not compiled (exit code {done.returncode}); see above")


def keep_states(database: Database, pack: Pack) -> None:
    """Write one row per rule; what a rule has matched so far stays."""
    wanted = {row["rule_id"]: row for row in _states(pack)}
    with database.write(RULES) as session:
        kept = {row.rule_id: row for row in session.scalars(select(RuleStateRow))}
        for rule_id, facts in wanted.items():
            row = kept.get(rule_id) or RuleStateRow(rule_id=rule_id, matches=0)
            for name, value in facts.items():
                setattr(row, name, value)
            session.add(row)
        for rule_id in kept.keys() - wanted.keys():
            session.delete(kept[rule_id])


def _states(pack: Pack) -> Iterator[dict[str, str]]:
    """The columns of each rule's row; a refused file without an id is known by its place."""
    silent = {one.id: one for one in pack.cannot_match}
    common = {"pack_digest": pack.digest, "title_vi": "", "level": "", "reason": ""}
    for facts in (*pack.rules.values(), *pack.correlation_facts.values()):
        named = {"rule_id": facts.id, "title": facts.title[:300], "title_vi": facts.title_vi[:300]}
        if facts.id not in silent:
            yield common | named | {"level": facts.level, "path": facts.path, "state": "active"}
    for one in silent.values():
        named = {"rule_id": one.id, "title": one.title[:300], "path": one.path}
        yield common | named | {"state": "cannot_match", "reason": one.reason}
    for refused in pack.refused:
        place = hashlib.sha256(refused.place.encode()).hexdigest()[:40]
        named = {"rule_id": place, "title": (refused.title or Path(refused.path).name)[:300]}
        reason = f"{refused.place}: {refused.reason}" + (
            f" ({refused.hint})" if refused.hint else ""
        )
        yield common | named | {"path": refused.path, "state": "refused", "reason": reason}


class RuleKeeper:
    """The worker's duty: when a rule file changes, compile anew; a failure leaves the old rules in use."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._seen = fingerprint(settings)

    def look(self) -> bool:
        """Compile if anything changed since the last look; whether it did."""
        now = fingerprint(self._settings)
        if now == self._seen:
            return False
        self._seen = now
        compile_rules(self._settings)
        keep_states(self._database, load_current(self._settings.packs_home))
        return True
