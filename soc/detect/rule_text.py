"""Rule files as text: documents, their places, and mistakes that YAML itself overlooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from soc.errors import RuleError
from soc.normalise.yaml_text import refuse_deep

HINTS = {
    "found character '\\t'": "indent with blanks, not with tabs",
    "mapping values are not allowed": 'put a text that holds ": " between quotes',
    "could not find expected ':'": "a key needs a colon and a blank after it",
    "did not find expected key": "check the indentation of this line and the one before",
    "did not find expected ',' or": "a bracket is not closed",
    "did not find expected '-' indicator": "check the indentation of this list",
    "found unexpected end of stream": "a quote or bracket is not closed",
    "found undefined alias": "put a text that begins with * between quotes",
    "while scanning an alias": "put a text that begins with * between quotes",
    "cannot start any token": "put a text that begins with %, @ or ` between quotes",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a rule file."""

    path: Path
    content: dict[str, Any]
    node: yaml.Node
    text: str

    def place(self, *keys: str) -> tuple[int, int]:
        """Line and column, from 1, of a key (or of the nearest one above it that is there)."""
        node, mark = self.node, self.node.start_mark
        for key in keys:
            found = _pair(node, key)
            if found is None:
                break
            mark, node = found[0].start_mark, found[1]
        return mark.line + 1, mark.column + 1

    def error(self, reason: str, *keys: str, hint: str = "") -> RuleError:
        """A RuleError at the place of a key."""
        line, column = self.place(*keys)
        return RuleError(reason, path=self.path, line=line, column=column, hint=hint)


def rule_files(folders: Sequence[Path]) -> Iterator[Path]:
    """Every ``.yml`` file below the folders, in order; a file is taken as it is.

    Raises:
        RuleError: a folder or file that is not there.
    """
    seen: set[Path] = set()
    for folder in folders:
        if not folder.exists():
            raise RuleError("no such file or folder", path=folder, hint="check --rules")
        for path in sorted(folder.rglob("*.yml")) if folder.is_dir() else [folder]:
            real = path.resolve()
            if path.is_file() and real not in seen:
                seen.add(real)
                yield path


def documents(path: Path, raw: bytes) -> list[Document]:
    """The documents of a rule file.

    Raises:
        RuleError: not UTF-8, not YAML, a key that stands twice, or a document that is not a mapping.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise RuleError("not UTF-8", path=path, line=line, hint="save the file as UTF-8") from error
    found: list[tuple[Any, yaml.Node]] = []
    try:
        refuse_deep(text)
        loader = yaml.CSafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # check_node said so
            _refuse_repeated_keys(path, node)
            content = loader.construct_document(node)
            if content is not None:
                found.append((content, node))
    except yaml.YAMLError as error:
        raise _yaml_error(path, error) from error
    except RecursionError as error:
        raise RuleError("nested too deeply", path=path) from error
    return [
        _document(path, content, node, _text_of(text, number, len(found)))
        for number, (content, node) in enumerate(found)
    ]


def _document(path: Path, content: Any, node: yaml.Node, text: str) -> Document:
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        hint = "a Sigma rule begins with `title:`"
        raise RuleError("not a mapping", path=path, line=line, column=column, hint=hint)
    return Document(path, content, node, text)


def _text_of(text: str, number: int, documents: int) -> str:
    if documents == 1:
        return text
    parts = [part for part in ("\n" + text).split("\n---") if part.strip()]
    return parts[number].lstrip("\n") if len(parts) == documents else text


def _pair(node: yaml.Node, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name, value
    return None


def _refuse_repeated_keys(path: Path, node: yaml.Node) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(path, item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for name, value in node.value:
        if isinstance(name, yaml.ScalarNode):
            if name.value in seen:
                raise RuleError(
                    f"the key {name.value!r} stands twice",
                    path=path,
                    line=name.start_mark.line + 1,
                    column=name.start_mark.column + 1,
                    hint="put both values into one list, or use |all",
                )
            seen.add(name.value)
        _refuse_repeated_keys(path, value)


def _yaml_error(path: Path, error: yaml.YAMLError) -> RuleError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None) or ""
    hint = next((hint for mark_, hint in HINTS.items() if mark_ in f"{context} {problem}"), "")
    reason = f"not YAML: {context + ': ' if context else ''}{problem}"
    if mark is None:
        return RuleError(reason, path=path, hint=hint)
    return RuleError(reason, path=path, line=mark.line + 1, column=mark.column + 1, hint=hint)
