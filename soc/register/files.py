"""The register file: one YAML file, or a folder of them, to a Register and back.

Every problem is found in one go and named with file and line. ``dump`` writes the normal form: entries sorted by key,
empty fields left out, codes with the first level first; ``dump(load(dump(r))) == dump(r)``. See docs/register-file.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from soc.errors import RegisterError
from soc.normalise.yaml_places import Placed, load_with_places
from soc.normalise.yaml_text import dump_yaml
from soc.register.entries import SECTIONS, Entry, RangeEntry
from soc.register.laws import broken_laws, with_inside
from soc.register.register import Place, Register, key_of, sorted_register

FORMAT = 1
DEMO = Path(__file__).parent / "demo"
LARGEST = 32 * 2**20  # bytes of one file


def load(path: Path) -> Register:
    """Read a register file, or every ``*.yaml`` and ``*.yml`` of a folder as one register.

    Raises:
        RegisterError: cannot be read, or is not a register; names every problem with its place.
    """
    reading = _Reading()
    for file in _files(path):
        reading.take(file)
    register = reading.register()
    problems = reading.problems or broken_laws(register)
    if problems:
        raise RegisterError(problems)
    return with_inside(register)


def dump(register: Register) -> str:
    """The normal form."""
    document: dict[str, Any] = {"format": FORMAT}
    for section in SECTIONS:
        document[section] = [_plain(entry) for entry in getattr(register, section)]
    return dump_yaml(document)


def _plain(entry: Entry) -> dict[str, Any]:
    values = entry.model_dump(exclude_defaults=True)
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml"))
        if not found:
            raise RegisterError([f"{path}: the folder has no .yaml file"])
        return found
    return [path]


class _Reading:
    """Collects the entries and problems of one or more files."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._found: dict[str, list[Entry]] = {section: [] for section in SECTIONS}
        self._places: dict[Place, str] = {}

    def register(self) -> Register:
        return sorted_register(self._found, self._places)

    def take(self, file: Path) -> None:
        placed = self._placed(file)
        if placed is None:
            return
        for name, line in placed.twice:
            self.problems.append(f"{file}:{line}: the key {name!r} stands twice in one entry")
        document = placed.value
        if not isinstance(document, dict):
            self.problems.append(f"{file}:1: a register is a mapping with {', '.join(SECTIONS)}")
            return
        for section, entries in document.items():
            self._take_section(file, placed, str(section), entries)

    def _placed(self, file: Path) -> Placed | None:
        try:
            if file.stat().st_size > LARGEST:
                self.problems.append(f"{file}: larger than {LARGEST} bytes")
                return None
            return load_with_places(file.read_text("utf-8"))
        except OSError as error:
            self.problems.append(f"{file}: cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            self.problems.append(f"{file}: not UTF-8 at byte {error.start}")
        except RecursionError:
            self.problems.append(f"{file}: nested deeper than a register can be")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            self.problems.append(f"{file}:{line}: not YAML: {error.problem}")
        except yaml.YAMLError as error:
            self.problems.append(f"{file}: not YAML: {error}")
        return None

    def _take_section(self, file: Path, placed: Placed, section: str, entries: Any) -> None:
        line = placed.line((section,))
        if section == "format":
            if entries != FORMAT:
                said = entries if isinstance(entries, (int, str)) else "of that kind"
                self.problems.append(f"{file}:{line}: format {said} is not {FORMAT}")
        elif section not in SECTIONS:
            self.problems.append(
                f"{file}:{line}: there is no section {section!r}; the sections are {', '.join(SECTIONS)}"
            )
        elif entries is not None and not isinstance(entries, list):
            self.problems.append(f"{file}:{line}: {section} is a list of entries")
        else:
            for index, value in enumerate(entries or ()):
                self._take_entry(file, placed, section, index, value)

    def _take_entry(self, file: Path, placed: Placed, section: str, index: int, value: Any) -> None:
        try:
            entry = SECTIONS[section].model_validate(value)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                where = tuple(part for part in each["loc"] if isinstance(part, (str, int)))
                line = placed.line((section, index, *where))
                field_name = ".".join(str(part) for part in where)
                text = each["msg"].removeprefix("Value error, ")
                named = f"{section}, {field_name}: {text}" if field_name else f"{section}: {text}"
                self.problems.append(f"{file}:{line}: {named}")
            return
        key, place = key_of(entry), f"{file}:{placed.line((section, index))}"
        earlier = self._places.get((section, key))
        if earlier is not None:
            self.problems.append(self._twice(section, key, earlier, place, entry))
            return
        self._places[section, key] = place
        self._found[section].append(entry)

    def _twice(self, section: str, key: str, earlier: str, place: str, entry: Entry) -> str:
        if not isinstance(entry, RangeEntry):
            return f"{place}: {section} {key!r} stands already at {earlier}"
        other = next(each for each in self._found[section] if key_of(each) == key)
        first = other.agency if isinstance(other, RangeEntry) else ""
        return (
            f"{place}: the range {key} of {entry.agency} overlaps the range {key} of {first} ({earlier}):"
            " an address has one owner"
        )
