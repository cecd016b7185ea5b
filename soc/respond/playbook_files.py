"""Playbooks as files: one .yml is one situation (docs/how-to-add/a-playbook.md has the format).

The file is written for people who read YAML, Vietnamese first. A file that cannot be used is refused with its place;
the others still load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from soc.errors import PlaybookError
from soc.normalise.yaml_text import refuse_deep
from soc.respond.playbook_shapes import Playbook, plain_of


def load_playbook(path: Path) -> Playbook:
    """Read one file.

    Raises:
        PlaybookError: ``file:line: what is wrong``, one line for each mistake.
    """
    try:
        text = path.read_text("utf-8")
        refuse_deep(text)
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
            content = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PlaybookError(f"{path}{_place(error)}: {_problem(error)}") from error
    try:
        return Playbook.model_validate(content)
    except ValidationError as error:
        mistakes = [
            f"{path}:{_line(node, mistake['loc'])}: {_where(mistake['loc'])}{mistake['msg']}"
            for mistake in error.errors()
        ]
        raise PlaybookError("\n".join(mistakes)) from error


def load_playbooks(folder: Path) -> tuple[dict[str, Playbook], list[PlaybookError]]:
    """Every ``*.yml`` of a folder by id, and what could not be used."""
    playbooks: dict[str, Playbook] = {}
    refused: list[PlaybookError] = []
    for path in sorted(folder.glob("*.yml")):
        try:
            playbook = load_playbook(path)
            if playbook.id in playbooks:
                raise PlaybookError(f"{path}:1: another file has the id {playbook.id!r}")
            playbooks[playbook.id] = playbook
        except PlaybookError as error:
            refused.append(error)
    for name, why in unusable(playbooks).items():
        del playbooks[name]
        refused.append(PlaybookError(f"{folder / name}.yml: {why}"))
    return playbooks, refused


def unusable(playbooks: Mapping[str, Playbook]) -> dict[str, str]:
    """Those that name a sub-playbook which is not there, or come round to themselves; with the reason."""
    found: dict[str, str] = {}
    for name in playbooks:
        try:
            _included(name, playbooks, (name,))
        except PlaybookError as error:
            found[name] = str(error)
    return found


def plain(playbooks: Mapping[str, Playbook]) -> dict[str, dict[str, Any]]:
    """As plain JSON values, which is what CaseDesk takes and a run keeps: with its sub-playbooks as they are now."""
    return {
        name: {**plain_of(playbook), "included": _included(name, playbooks, (name,))}
        for name, playbook in playbooks.items()
    }


def _included(
    name: str, playbooks: Mapping[str, Playbook], way: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for step in playbooks[name].steps:
        inner = step.playbook
        if inner is None:
            continue
        if inner in way:
            raise PlaybookError(
                f"the playbooks call each other in a circle: {' → '.join((*way, inner))}"
            )
        if inner not in playbooks:
            raise PlaybookError(f"step {step.id!r} runs the playbook {inner!r}, which is not there")
        found[inner] = plain_of(playbooks[inner])
        found |= _included(inner, playbooks, (*way, inner))
    return found


def digest(playbook: Mapping[str, Any]) -> str:
    """SHA-256 of a plain playbook; a run names the version it began with."""
    canonical = json.dumps(playbook, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error)


def _where(place: Sequence[int | str]) -> str:
    return "".join(f"{part}: " for part in [".".join(str(part) for part in place)] if part)


def _line(node: Any, place: Sequence[int | str]) -> int:
    """The line of the node at ``place``, or of the deepest one that exists."""
    for part in place:
        inner = _inner(node, part)
        if inner is None:
            break
        node = inner
    return 1 if node is None else int(node.start_mark.line) + 1


def _inner(node: Any, part: int | str) -> Any:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return value
    return None
