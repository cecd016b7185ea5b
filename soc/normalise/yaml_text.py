"""The one way YAML is read: the C loader, safe tags only."""

from __future__ import annotations

from typing import Any

import yaml

SHALLOW = 5_000  # characters: what is shorter cannot be nested so deep that it matters
DEEPEST = 200


def refuse_deep(text: str | bytes) -> None:
    """Look for deep nesting before anything is built: libyaml's composer would run out of C stack and take the
    process with it.

    Raises:
        yaml.MarkedYAMLError: nested over 200 deep, or not YAML; with the place.
    """
    if len(text) < SHALLOW:
        return
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                mark: Any = event.start_mark  # libyaml's own class, with the same fields
                raise yaml.MarkedYAMLError(problem=f"nested over {DEEPEST} deep", problem_mark=mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def load_yaml(text: str | bytes) -> Any:
    """The value of a YAML document.

    Raises:
        yaml.YAMLError: not YAML, or a tag that makes Python objects.

    >>> load_yaml("a: [1, 2]")
    {'a': [1, 2]}
    """
    refuse_deep(text)
    return yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251 - this is the one door


def dump_yaml(value: Any) -> str:
    """A document in block style, keys in the order given, letters as they are.

    >>> dump_yaml({"b": "Sở", "a": "007"})
    "b: Sở\\na: '007'\\n"
    """
    return yaml.dump(
        value, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=1_000_000
    )
