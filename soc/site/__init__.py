"""Wiring: how the parts become the processes of a small site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from soc.detect.imports import imported_folders
from soc.errors import SettingsError
from soc.settings import Settings
from soc.shipped import folder


def load_settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: a value cannot be used; the variable is named.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("; ".join(_settings_problems(error))) from error


def _settings_problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        yield f"SOC_{name.upper()} (in soc.yaml: {name}) is {problem['input']!r}: {problem['msg']}"


def rule_folders(settings: Settings) -> list[Path]:
    """The rules of the settings, or those that come with the product; and the imported ones."""
    return [*(settings.rules or [folder("rules")]), *imported_folders(settings.rule_sets_home)]


def playbook_folder(settings: Settings) -> Path:
    return settings.playbooks or folder("playbooks")
