"""Builders for the tests of detection."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack

ID = "00000000-0000-4000-8000-{:012}"
SOURCE = {"product": "test", "service": "unit"}
HERE = {
    "product": "test",
    "service": "unit",
}  # what an event under the native mapping says of itself


def rule(number: int, detection: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A rule as YAML content."""
    return {
        "title": f"Rule {number}",
        "id": ID.format(number),
        "status": "test",
        "logsource": SOURCE,
        "level": "high",
        "detection": dict(detection),
    } | more


def write_rules(folder: Path, rules: Sequence[Mapping[str, Any]]) -> Path:
    """One file for each rule."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(rules):
        text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
        (folder / f"rule_{number:04}.yml").write_text(text, encoding="utf-8")
    return folder


def write(folder: Path, name: str, text: str) -> Path:
    """A file with dedented text."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def pack_of(
    folder: Path, *detections: Mapping[str, Any], placeholders: Mapping[str, Sequence[str]] = {}
) -> Pack:
    """The pack of rules with these detections, numbered from 0, under the native mapping."""
    rules = [rule(number, detection) for number, detection in enumerate(detections)]
    return compile_pack(
        [write_rules(folder, rules)], mapping="native", placeholders=dict(placeholders)
    )


class Judged:
    """One rule; ``says`` whether it matches an event given by its fields."""

    def __init__(
        self,
        folder: Path,
        detection: Mapping[str, Any],
        placeholders: Mapping[str, Sequence[str]] = {},
    ) -> None:
        if "condition" not in detection:
            detection = {"selection": dict(detection), "condition": "selection"}
        self.pack = pack_of(folder, detection, placeholders=placeholders)
        assert not self.pack.refused, self.pack.refused
        self.matcher = Matcher(self.pack)

    def says(self, **fields: Any) -> bool:
        return bool(self.matcher.match({**HERE, **fields}))
