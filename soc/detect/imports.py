"""Sets of imported rules below the site's home, each exchanged as a whole.

``<home>/rule-sets/NAME`` is a link to a folder below ``<home>/rule-sets/.sets``: in it ``local`` is what the site uses
and people may edit, ``upstream`` the release as it came, and ``import.json`` says whence, when and by whom. An import
makes a new folder and turns the link, which is one step: a crash leaves the old set or the new one. The set before is
kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from soc.detect.import_plan import ImportPlan, plan_import
from soc.detect.releases import Release, is_rule
from soc.errors import Conflict, SettingsError

SETS, LOCAL, UPSTREAM, ABOUT = ".sets", "local", "upstream", "import.json"
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. ``rules`` is the number of rule files that the site now has of this set."""

    plan: ImportPlan
    folder: Path  # of the rules in use
    rules: int
    changed: bool


def imported_folders(rules_home: Path) -> list[Path]:
    """The folders of imported rules that are in use."""
    if not rules_home.is_dir():
        return []
    links = (path for path in sorted(rules_home.iterdir()) if path.is_symlink())
    return [path / LOCAL for path in links if (path / LOCAL).is_dir()]


class RuleSets:
    """The imported sets below ``<home>/rule-sets``."""

    def __init__(self, rules_home: Path) -> None:
        self.home = rules_home

    def take(
        self,
        name: str,
        release: Release,
        *,
        now: datetime,
        actor: str,
        is_active: Callable[[str], bool] = lambda _: False,
        recorded: Callable[[Imported], AbstractContextManager[object]] = lambda _: nullcontext(),
    ) -> Imported:
        """Bring a release in; what was edited here stays.

        The link is turned within ``recorded``, when all is written: if the one fails, so does the other.

        Raises:
            SettingsError: the name cannot be used, something that is not a set stands in its place, or a file of the
                set cannot be read or written.
            Conflict: another import is running, or a rule was edited while this one was.
        """
        if not NAME.fullmatch(name):
            raise SettingsError(f"--name {name!r}: small letters, digits and -, at most 40")
        link = self.home / name
        if link.exists() and not link.is_symlink():
            raise SettingsError(f"{link} is a folder of your own: choose another --name")
        with self._alone():
            before, local = _tree(link / UPSTREAM), _tree(link / LOCAL)
            plan = plan_import(before, local, _with_refused(before, release), is_active)
            changed = plan.local != local or plan.upstream != before
            count = sum(map(is_rule, plan.local))
            done = Imported(plan, link / LOCAL, count, changed)
            if changed:
                made = self._write(name, plan, _about(release, done, now, actor))
                if _tree(link / LOCAL) != local:
                    shutil.rmtree(made)
                    raise Conflict(f"{link / LOCAL} was edited during the import: run it again")
                replaced = link.resolve()
                with recorded(done):
                    _turn(link, made)
                self._forget(name, {made.resolve(), replaced})
        return done

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Conflict("another import of rules is running: wait for its end") from error
            yield

    def _write(self, name: str, plan: ImportPlan, about: Mapping[str, Any]) -> Path:
        """A new folder with everything in it, on the disk."""
        numbers = [int(path.name.rpartition("-")[2]) for path in self._sets(name)]
        made = self.home / SETS / f"{name}-{max(numbers, default=0) + 1:04}"
        try:
            for part, files in ((LOCAL, plan.local), (UPSTREAM, plan.upstream)):
                for path, content in files.items():
                    target = made / part / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
            (made / ABOUT).write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
        except OSError as error:
            shutil.rmtree(made, ignore_errors=True)
            raise SettingsError(
                f"the rules cannot be written: {error}; nothing has changed"
            ) from error
        os.sync()  # thousands of files: one call is quicker than as many fsync
        return made

    def _sets(self, name: str) -> list[Path]:
        pattern = re.compile(rf"{re.escape(name)}-\d+")
        folder = self.home / SETS
        found = folder.iterdir() if folder.is_dir() else ()
        return sorted(path for path in found if pattern.fullmatch(path.name))

    def _forget(self, name: str, kept: Container[Path]) -> None:
        """Drop older sets, and what an import that was killed has left."""
        for old in self._sets(name):
            if old.resolve() not in kept:
                shutil.rmtree(old)


def _with_refused(before: Mapping[str, bytes], release: Release) -> dict[str, bytes]:
    """The release's files; where one of them was refused, the one that was imported before."""
    stays = {path: before[path] for path in before.keys() & release.withheld}
    return stays | release.files


def _about(release: Release, done: Imported, now: datetime, actor: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    for path, content in sorted(release.files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return {
        "release": release.name,
        "sha256": digest.hexdigest(),  # of the paths and contents that were taken
        "imported_at": now.isoformat(),
        "imported_by": actor,
        "licences": release.licences,
        "rules": done.rules,
    }


def _turn(link: Path, made: Path) -> None:
    """Let the link name the new set, in one step."""
    fresh = link.with_name(f".{link.name}.link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(made.relative_to(link.parent))
    fresh.replace(link)
    folder = os.open(link.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path with ``/``; none if there is no such folder.

    Raises:
        SettingsError: one cannot be read, or is no file: it would be lost with the next set.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        if not path.is_file():
            raise SettingsError(f"{path} is not an ordinary file: put the files themselves there")
        try:
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    return found
