"""Laws of the whole repository."""

from __future__ import annotations

import doctest
import enum
import importlib
import inspect
import pkgutil
import re
import subprocess
from pathlib import Path

import pytest

import collectors
import soc
import soc.model

ROOT = Path(__file__).parent.parent
TEXTS = {
    ".py",
    ".md",
    ".html",
    ".yml",
    ".yaml",
    ".toml",
    ".sh",
    ".js",
    ".mjs",
    ".css",
    ".json",
    ".po",
}


def modules_below(package) -> list[str]:
    found = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    run_by_others = ("__main__", ".migrations.env")  # Alembic alone can import its environment
    return sorted(each.name for each in found if not each.name.endswith(run_by_others))


def files_of_the_project() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).suffix in TEXTS]


@pytest.mark.parametrize("name", modules_below(soc) + modules_below(collectors))
def test_examples_in_docstrings_are_true(name: str):
    """An example that runs is the best sentence."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_word_of_the_model_is_in_the_glossary():
    """A newcomer finds each noun explained."""
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    missing = []
    for name in modules_below(soc.model):
        module = importlib.import_module(name)
        for word, thing in inspect.getmembers(module, inspect.isclass):
            ours = thing.__module__ == name and not issubclass(thing, BaseException)
            if ours and f"`{word}`" not in glossary:
                missing.append(f"{name}.{word}")
    assert missing == []


def test_enumerations_of_the_model_hold_distinct_values():
    """Two states with one value would be one state."""
    for name in modules_below(soc.model):
        for _, thing in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(thing, enum.Enum) and thing.__module__ == name:
                assert len({member.value for member in thing}) == len(thing.__members__)


def test_no_machine_path_or_registry_host_is_written_anywhere():
    """The project speaks of itself alone."""
    forbidden = re.compile(
        "|".join(
            ["/wo" + "rk/", r"/ro" + r"ot/\.", "pypi" + r"\.org", "npm" + "js", "pythonho" + "sted"]
        )
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files_of_the_project()
        if path.exists()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_every_verb_of_the_makefile_has_a_line_of_help():
    """Bare ``make`` lists the verbs, so a verb without its line would be hidden."""
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (.*)$", text, re.M)[0].split()) - {"help"}
    helped = set(re.findall(r"^([a-z-]+):.*##", text, re.M))
    assert phony <= helped


@pytest.mark.parametrize("name", ["soc", "soc-agent", "soc-sensor"])
def test_each_command_is_installed_and_has_help(name: str):
    """``make install`` leaves the three commands."""
    command = ROOT / ".venv" / "bin" / name
    if not command.exists():
        pytest.skip("not installed in .venv of this folder")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
