"""What agents are told to collect: ``agents.yaml`` in the site's home, one list of inputs for each group.

```yaml
groups:
  default: {inputs: [{kind: journal}, {kind: audit}]}
```
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from soc.errors import SettingsError
from soc.normalise.yaml_text import load_yaml


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inputs: list[dict[str, Any]]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    groups: dict[str, _Group]


@dataclass(frozen=True, slots=True)
class GroupConfiguration:
    """``version`` changes with the content."""

    version: str
    inputs: list[dict[str, Any]]


class Configuration:
    """The file, read again when it changes; without a file agents get an empty list and keep their own inputs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._groups: dict[str, list[dict[str, Any]]] = {}

    def of_group(self, group: str) -> GroupConfiguration:
        """The inputs of a group; those of ``default`` for a group that the file does not name.

        Raises:
            SettingsError: the file cannot be read.
        """
        self._refresh()
        inputs = self._groups.get(group, self._groups.get("default", []))
        text = json.dumps(inputs, sort_keys=True)
        return GroupConfiguration(hashlib.sha256(text.encode()).hexdigest()[:16], inputs)

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._groups, self._stamp = {}, None
            return
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp == self._stamp:
            return
        try:
            content = load_yaml(self._path.read_text(encoding="utf-8"))
            read = _File.model_validate(content)
        except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
            raise SettingsError(f"{self._path}: {error}") from error
        self._groups = {name: group.inputs for name, group in read.groups.items()}
        self._stamp = stamp
