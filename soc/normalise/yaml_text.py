"""The one way YAML is read: the C loader, safe tags only."""

from __future__ import annotations

from typing import Any

import yaml


def load_yaml(text: str | bytes) -> Any:
    """The value of a YAML document.

    Raises:
        yaml.YAMLError: not YAML, or a tag that makes Python objects.

    >>> load_yaml("a: [1, 2]")
    {'a': [1, 2]}
    """
    return yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251 - this is the one door


def dump_yaml(value: Any) -> str:
    """A document in block style, keys in the order given, letters as they are.

    >>> dump_yaml({"b": "Sở", "a": "007"})
    "b: Sở\\na: '007'\\n"
    """
    return yaml.dump(
        value, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=1_000_000
    )
