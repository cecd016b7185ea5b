"""What a new release changes: the rules of the site, the copy before and the copy now, file by file (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from soc.detect.line_merge import merge
from soc.detect.releases import BESIDE
from soc.detect.rule_text import documents
from soc.errors import RuleError

RULE_ID = re.compile(rb"^id:[ \t]*['\"]?([0-9a-fA-F-]{36})", re.MULTILINE)
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the report. ``kind``: added updated merged moved removed kept conflict."""

    kind: str
    path: str
    text: str = ""
    line: int | None = None

    @property
    def place(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


@dataclass(slots=True)
class ImportPlan:
    """What the site will have: ``local`` is what it uses, ``upstream`` the release as it came."""

    local: dict[str, bytes]
    upstream: dict[str, bytes]
    changes: list[Change] = field(default_factory=list)

    def say(self, kind: str, path: str, text: str = "", line: int | None = None) -> None:
        self.changes.append(Change(kind, path, text, line))


def plan_import(
    before: Files, local: Files, release: Files, is_active: Callable[[str], bool]
) -> ImportPlan:
    """Three-way: ``before`` is the release imported last, ``local`` what became of it here.

    ``is_active`` is asked with the id of a rule that the new release no longer has.
    """
    plan = ImportPlan(dict(local), dict(release))
    moved = _moved(before, release)
    for path in sorted({*before, *release} - set(moved.values())):
        came_from = moved.get(path)
        if came_from is not None and path not in local:
            plan.say("moved", path, f"was {came_from}")
            _follow(plan, came_from, path)
            _decide(plan, path, before[came_from], release[path])
        elif path in release:
            _decide(plan, path, before.get(path), release[path])
        else:
            _decide_gone(plan, path, before[path], is_active)
    return plan


def _decide(plan: ImportPlan, path: str, before: bytes | None, new: bytes) -> None:
    """A file that the release has."""
    mine = plan.local.get(path)
    if mine == new or before == new:
        return
    if mine is None and before is not None:
        plan.say("kept", path, "removed here; the release has changed it, and it stays removed")
    elif mine is None or mine == before:
        plan.say("added" if mine is None else "updated", path)
        plan.local[path] = new
    elif before is None:
        plan.say("conflict", path, "a file of your own has this name; it is kept", 1)
    else:
        _merge(plan, path, before, mine, new)


def _merge(plan: ImportPlan, path: str, before: bytes, mine: bytes, new: bytes) -> None:
    try:
        texts = [content.decode() for content in (before, mine, new)]
    except UnicodeDecodeError:
        plan.say("conflict", path, "your file is not UTF-8; it is kept", 1)
        return
    merged = merge(*texts)
    if merged.text is None:
        text = "changed here and in the release on the same lines; yours is kept"
        plan.say("conflict", path, text, merged.line)
        return
    content = merged.text.encode()
    try:
        documents(Path(path), content)
    except RuleError as error:
        text = (
            f"your changes and the release's together are no rule ({error.reason}); yours is kept"
        )
        plan.say("conflict", path, text, error.line)
        return
    plan.local[path] = content
    plan.say("merged", path, "your changes are in the new version")


def _decide_gone(
    plan: ImportPlan, path: str, before: bytes, is_active: Callable[[str], bool]
) -> None:
    """A file that the release no longer has."""
    mine = plan.local.get(path)
    if mine is None:
        return
    if mine != before:
        plan.say("kept", path, "the release has dropped it; it was changed here")
    elif is_active(rule_id(before)):
        plan.say("kept", path, "the release has dropped it; it is active here")
    else:
        del plan.local[path]
        plan.say("removed", path)


def _moved(before: Files, release: Files) -> dict[str, str]:
    """New path to old path of the rules that only changed their place: known by their id."""
    gone = {rule_id(before[path]): path for path in before if path not in release}
    came = {rule_id(release[path]): path for path in release if path not in before}
    return {came[key]: gone[key] for key in gone.keys() & came.keys() if key}


def _follow(plan: ImportPlan, old: str, new: str) -> None:
    """Take the site's version along, and the cases that were written beside it."""
    for ending in (".yml", *BESIDE):
        source, target = (path.removesuffix(".yml") + ending for path in (old, new))
        if source in plan.local and target not in plan.local:
            plan.local[target] = plan.local.pop(source)


def rule_id(content: bytes) -> str:
    """The id of a file's first rule, in small letters; empty if it has none."""
    found = RULE_ID.search(content)
    return found[1].decode().lower() if found else ""
