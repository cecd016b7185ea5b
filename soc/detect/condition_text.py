"""The condition line of a rule: ``selection and not 1 of filter_*``.

Read here and not by pySigma, whose grammar takes a selection named ``notes`` for ``not es``. Or binds least, then and,
then not; ``1 of``, ``any of`` and ``all of`` take a pattern of selection names, or ``them``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final

from soc.detect.atoms import Node

WORD: Final = re.compile(r"[()]|[^\s()]+")
QUANTITIES: Final = ("1", "any", "all")
DEEPEST: Final = 100  # brackets and nots within one another


class ConditionError(ValueError):
    """A condition that cannot be read; the text says what was expected."""


class ConditionText:
    """Reads one condition into a Node; ``selection`` makes the Node of a selection's name."""

    def __init__(self, text: str, names: Collection[str], selection: Callable[[str], Node]) -> None:
        self._words = WORD.findall(text)
        self._place = 0
        self._names = names
        self._selection = selection
        self._depth = 0

    def node(self) -> Node:
        """The condition.

        Raises:
            ConditionError: not a condition, or an unknown selection.
        """
        if "|" in self._words:
            raise ConditionError("a condition has no pipe: write a correlation rule instead")
        found = self._either()
        if self._place < len(self._words):
            raise ConditionError(f"{self._words[self._place]!r} was not expected here")
        return found

    def _next(self) -> str:
        return self._words[self._place] if self._place < len(self._words) else ""

    def _take(self, word: str) -> bool:
        if self._next() != word:
            return False
        self._place += 1
        return True

    def _either(self) -> Node:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else ("or", tuple(parts))

    def _both(self) -> Node:
        parts = [self._single()]
        while self._take("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else ("and", tuple(parts))

    def _single(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ConditionError("nested too deeply")
        try:
            if self._take("not"):
                return ("not", self._single())
            if self._take("("):
                found = self._either()
                if not self._take(")"):
                    raise ConditionError("a bracket is not closed")
                return found
            return self._named()
        finally:
            self._depth -= 1

    def _named(self) -> Node:
        word = self._next()
        if not word:
            raise ConditionError("the condition ends where a selection was expected")
        self._place += 1
        if word in QUANTITIES and self._take("of"):
            return self._several("and" if word == "all" else "or")
        if word not in self._names:
            raise ConditionError(f"there is no selection {word!r}")
        return self._selection(word)

    def _several(self, kind: str) -> Node:
        pattern = self._next()
        self._place += 1
        if not re.fullmatch(r"[\w*-]+", pattern):
            raise ConditionError(
                f"'of' wants a pattern of selection names or them, not {pattern!r}"
            )
        shape = ".*" if pattern == "them" else pattern.replace("*", ".*")
        chosen = [
            name
            for name in self._names
            if re.fullmatch(shape, name) and (pattern[0] == "_" or name[0] != "_")
        ]
        if not chosen:
            raise ConditionError(f"no selection is called {pattern}")
        nodes = tuple(self._selection(name) for name in chosen)
        return nodes[0] if len(nodes) == 1 else (kind, nodes)
