"""YAML with the line of every value, so that a problem can be named with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from soc.normalise.yaml_text import load_yaml, refuse_deep

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """The value, the line (from 1) of every path in it, and the keys that stand twice in one mapping."""

    value: Any
    lines: dict[Path, int]
    twice: tuple[tuple[str, int], ...]

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest one above it that exists."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)


def load_with_places(text: str) -> Placed:
    """Read a document.

    Raises:
        yaml.YAMLError: not YAML; its ``problem_mark`` has the place.

    >>> load_with_places("a:\\n  - x\\n  - y").line(("a", 1))
    3
    """
    walk = _Walk()
    refuse_deep(text)
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if root is not None:
        walk.take(root, ())
    return Placed(load_yaml(text), walk.lines, tuple(walk.twice))


class _Walk:
    """Goes through every node once: aliases could make a small text an endless tree."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.twice: list[tuple[str, int]] = []
        self._taken: set[int] = set()

    def take(self, node: yaml.Node, path: Path) -> None:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._taken:
            return
        self._taken.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.take(item, (*path, index))
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
                if name in seen:
                    self.twice.append((name, key.start_mark.line + 1))
                seen.add(name)
                self.lines[*path, name] = key.start_mark.line + 1
                self.take(value, (*path, name))
