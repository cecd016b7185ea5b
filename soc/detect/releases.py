"""A release of rules as files: a folder or a zip, read with mistrust.

Taken are the rule files, their cases, placeholder tables and licences. In a copy of SigmaHQ's repository only the
folders whose names begin with ``rules`` hold rules that are meant to be used; the others are left out and counted.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from soc.detect.facts import Refused
from soc.errors import RuleError

FILE_BYTES = 2**20
TOTAL_BYTES = 256 * 2**20  # unpacked; SigmaHQ's whole repository has 60 MB
MOST_FILES = 100_000
LICENCES = ("LICENSE", "LICENCE", "COPYING", "NOTICE")
BESIDE = (".cases.jsonl",)
TABLES = "placeholders.yaml"
BROKEN = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error)
"""What ``zipfile`` raises on hostile bytes; RuntimeError also where a password or a newer version is needed."""
Read = Callable[[], bytes]


@dataclass(slots=True)
class Release:
    """``files``: the path below the release, with ``/``, to the content; ``left_out`` are files of no concern."""

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    withheld: set[str] = field(default_factory=set)  # the paths of what was refused
    left_out: int = 0
    folders: set[str] = field(default_factory=set)  # above the files

    def take(self, path: str, content: bytes) -> None:
        self.files[path] = content
        self.folders |= _above(path)

    @property
    def licences(self) -> list[str]:
        return [path for path in self.files if _is_licence(path)]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of a release; ``fault`` says why it must not be read."""

    path: str
    size_bytes: int
    read: Read
    fault: str = ""
    hint: str = ""


def read_release(source: Path) -> Release:
    """Read a folder or a zip; a file that cannot be taken is in ``refused``, and the others are taken.

    Raises:
        RuleError: no such release, not a zip, too large as a whole, or without any rule.
    """
    if source.is_dir():
        return _taken(source, _in_folder(source))
    if not source.is_file():
        raise RuleError("no such file or folder", path=source, hint="a SigmaHQ release is a zip")
    try:
        archive = zipfile.ZipFile(source)
    except BROKEN as error:
        hint = "download the release again; other archives must be unpacked first"
        raise RuleError(f"not a zip: {error}", path=source, hint=hint) from error
    with archive:
        return _taken(source, _in_archive(archive))


def is_rule(path: str) -> bool:
    return path.endswith(".yml")


def _taken(source: Path, entries: Iterator[_Entry]) -> Release:
    release = Release(source.name)
    found = []
    for number, entry in enumerate(entries):
        if number >= MOST_FILES:
            raise RuleError(f"more than {MOST_FILES} files", path=source, hint="name a release")
        found.append(entry)
    top = _top(one.path for one in found if not one.fault)
    named = [(one.path.removeprefix(top), one) for one in found]
    folders = {path.split("/")[0] for path, one in named if "/" in path and not one.fault}
    only = tuple(f"{name}/" for name in folders if name.startswith("rules"))
    left = TOTAL_BYTES
    for path, entry in named:
        if not _is_wanted(path, only, faulty=bool(entry.fault)):
            release.left_out += 1
            continue
        content = _content(source, path, entry, release)
        if content is None:
            continue
        left -= len(content)
        if left < 0:
            hint = "a release of rules is smaller: is this the right file?"
            raise RuleError(f"unpacks to over {TOTAL_BYTES >> 20} MiB", path=source, hint=hint)
        release.take(path, content)
    if not any(map(is_rule, release.files)):
        hint = "name the folder or zip that holds Sigma rules (*.yml)"
        raise RuleError("there is no rule in it", path=source, hint=hint)
    return release


def _content(source: Path, path: str, entry: _Entry, release: Release) -> bytes | None:
    """What the file holds, or None with the reason in ``refused``."""
    refused = _fault_before(source, path, entry, release)
    if refused is None:
        try:
            content = entry.read()
        except BROKEN as error:
            hint = "download the release again, without a password"
            refused = Refused(_place(source, path), f"cannot be read: {error}", hint=hint)
        else:
            refused = _fault_within(source, path, content)
            if refused is None:
                return content
    release.refused.append(refused)
    release.withheld.add(path)
    return None


def _fault_before(source: Path, path: str, entry: _Entry, release: Release) -> Refused | None:
    place = _place(source, path)
    if entry.fault:
        return Refused(place, entry.fault, hint=entry.hint)
    if path in release.files:
        return Refused(place, "stands twice in the archive", hint="the first one is taken")
    if path in release.folders or not release.files.keys().isdisjoint(_above(path)):
        return Refused(place, "is both a file and a folder", hint="the first one is taken")
    if entry.size_bytes > FILE_BYTES:
        return Refused(place, f"{entry.size_bytes} bytes", hint=f"a file has at most {FILE_BYTES}")
    if path.endswith(".yaml") and not path.endswith(TABLES):
        return Refused(place, "ends in .yaml", hint="a rule file ends in .yml: rename it")
    return None


def _place(source: Path, path: str) -> str:
    """For people: what would steer a terminal is escaped."""
    place = f"{source}/{path}"
    return place if place.isprintable() else ascii(place)[1:-1]


def _above(path: str) -> set[str]:
    return set(map(str, PurePosixPath(path).parents))


def _fault_within(source: Path, path: str, content: bytes) -> Refused | None:
    place = _place(source, path)
    if len(content) > FILE_BYTES:
        return Refused(place, f"over {FILE_BYTES} bytes", hint="the archive lies about its size")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1  # in bytes
        return Refused(place, "not UTF-8", line, column, "save the file as UTF-8")
    return None


def _is_wanted(path: str, only: tuple[str, ...], *, faulty: bool) -> bool:
    name = PurePosixPath(path).name
    if faulty:  # told, unless it is an ordinary file of another part
        return not only or path.startswith((*only, "/", "..")) or "\\" in path
    if _is_licence(path):
        return True
    if only and not path.startswith(only):
        return False
    return name.endswith((".yml", ".yaml", *BESIDE))


def _is_licence(path: str) -> bool:
    return PurePosixPath(path).name.upper().startswith(LICENCES)


def _top(paths: Iterable[str]) -> str:
    """The one folder that holds all (``sigma-r2026-11-01/``), as in GitHub's archives; else nothing."""
    tops = {path.split("/")[0] if "/" in path else "" for path in paths}
    top = tops.pop() if len(tops) == 1 else ""
    return f"{top}/" if top and not top.startswith("rules") else ""


def _in_folder(source: Path) -> Iterator[_Entry]:
    for folder, below, names in os.walk(source):
        here = Path(folder)
        below[:] = sorted(name for name in below if name != ".git")
        links = [name for name in below if (here / name).is_symlink()]
        for name in sorted((*names, *links)):
            path = here / name
            known_as = path.relative_to(source).as_posix()
            status = path.lstat()
            fault, hint = _fault_of(known_as, status.st_mode)
            yield _Entry(known_as, status.st_size, _reader(path), fault, hint)


def _reader(path: Path) -> Read:
    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(FILE_BYTES + 1)

    return read


def _in_archive(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in archive.infolist():
        if info.filename.endswith("/"):  # ``is_dir`` fails on an empty name
            continue
        fault, hint = _fault_of(info.filename, info.external_attr >> 16)
        yield _Entry(info.filename, info.file_size, _member(archive, info), fault, hint)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Read:
    def read() -> bytes:
        with archive.open(info) as file:
            return file.read(FILE_BYTES + 1)

    return read


def _fault_of(path: str, mode: int) -> tuple[str, str]:
    """Why a file must not be taken, and what to do; empty if it may. ``mode`` 0: the archive does not say."""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or "" in parts or "\\" in path:
        return "its path leads out of the release", "do not use this release: it was tampered with"
    if not path.isprintable() or len(path.encode("utf-8", "replace")) > 400:
        return "its name cannot be used", "rename it: letters and digits, at most 400 bytes"
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "not an ordinary file"
        return kind, "put the file itself in its place"
    return "", ""
