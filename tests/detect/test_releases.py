"""Releases of rules are read with mistrust, and nothing but the bad file is lost."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soc.detect import releases
from soc.detect.releases import FILE_BYTES, Release, read_release
from soc.errors import RuleError
from tests.detect.builders import write

GOOD = "rules/good.yml"
RULE = b"title: x\nid: 5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c10\n"


def archive(folder: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    """A zip with a good rule and these."""
    path = folder / "release.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in ((GOOD, RULE), *entries):
            made.writestr(name, content)
    return path


def link(name: str, mode: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = (mode | 0o644) << 16
    return made


def refused(release: Release) -> str:
    (one,) = release.refused
    assert list(release.files) == [GOOD]  # and the others are taken
    return f"{one.place}: {one.reason} ({one.hint})"


@pytest.mark.parametrize(
    "name",
    ["../../etc/x.yml", "rules/../../x.yml", "/etc/x.yml", "rules//x.yml", "rules\\..\\x.yml"],
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str):
    said = refused(read_release(archive(tmp_path, (name, RULE))))
    assert "leads out of the release" in said
    assert "tampered" in said


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_what_is_not_a_plain_file_is_refused(tmp_path: Path, kind: int):
    said = refused(read_release(archive(tmp_path, (link("rules/x.yml", kind), b"/etc/passwd"))))
    assert "put the file itself in its place" in said


def test_text_that_is_not_utf8_is_refused_at_its_place(tmp_path: Path):
    said = refused(read_release(archive(tmp_path, ("rules/x.yml", b"title: x\nauthor: \xff\n"))))
    assert "x.yml:2:9: not UTF-8 (save the file as UTF-8)" in said


def test_a_rule_that_unpacks_to_a_flood_is_refused(tmp_path: Path):
    said = refused(read_release(archive(tmp_path, ("rules/x.yml", b"a" * (FILE_BYTES + 1)))))
    assert f"at most {FILE_BYTES}" in said


def test_an_archive_that_lies_about_sizes_unpacks_no_more(tmp_path: Path):
    path = archive(tmp_path, ("rules/x.yml", b"a" * (FILE_BYTES * 2)))
    true, false = (number.to_bytes(4, "little") for number in (FILE_BYTES * 2, 10))
    path.write_bytes(path.read_bytes().replace(true, false))
    assert "cannot be read" in refused(read_release(path))


def test_a_flood_of_small_files_is_refused_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(releases, "TOTAL_BYTES", 10_000)
    path = archive(tmp_path, *((f"rules/{number}.yml", b"a" * 1_000) for number in range(11)))
    with pytest.raises(RuleError, match="unpacks to over"):
        read_release(path)
    monkeypatch.setattr(releases, "MOST_FILES", 5)
    with pytest.raises(RuleError, match="more than 5 files"):
        read_release(path)


def test_a_damaged_member_is_refused(tmp_path: Path):
    path = archive(tmp_path, ("rules/x.yml", bytes(range(32, 127)) * 9))
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"rules/x.yml", 0, raw.index(b"PK\x01\x02")) + 20
    raw[at : at + 8] = b"\xff" * 8
    path.write_bytes(raw)
    assert "cannot be read" in refused(read_release(path))


def test_what_stands_twice_or_is_file_and_folder_is_taken_once(tmp_path: Path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path, (GOOD, b"other"), (f"{GOOD}/x.yml", RULE))
    found = read_release(path)
    assert found.files == {GOOD: RULE}
    assert [one.reason for one in found.refused] == [
        "stands twice in the archive",
        "is both a file and a folder",
    ]


def test_links_in_a_folder_are_refused(tmp_path: Path):
    write(tmp_path / "rules", "good.yml", RULE.decode())
    (tmp_path / "rules" / "passwd.yml").symlink_to("/etc/passwd")
    (tmp_path / "rules" / "etc").symlink_to("/etc")
    os.mkfifo(tmp_path / "rules" / "pipe.yml")
    found = read_release(tmp_path)
    assert list(found.files) == [GOOD]
    assert len(found.refused) == 3


@pytest.mark.parametrize("name", ["rules/\x1b[2Jx.yml", "rules/\udcffx.yml"])
def test_a_name_that_would_steer_a_terminal_is_told_escaped(tmp_path: Path, name: str):
    """Names on disk may be any bytes."""
    write(tmp_path / "rules", "good.yml", RULE.decode())
    (tmp_path / os.fsencode(name).decode("utf-8", "surrogateescape")).write_bytes(RULE)
    said = refused(read_release(tmp_path))
    assert said.isprintable()
    assert "its name cannot be used" in said


def test_a_copy_of_the_repository_gives_its_rules_and_licence(tmp_path: Path):
    """GitHub's archive has one folder above all; tests and deprecated rules are none to use."""
    path = tmp_path / "r.zip"
    names = ["LICENSE", "rules/a.yml", "rules-dfir/b.yml", "rules/b.yaml", "rules/a.cases.jsonl"]
    others = [".github/x.yml", "tests/t.yml", "deprecated/d.yml", "README.md"]
    with zipfile.ZipFile(path, "w") as made:
        for name in (*names, *others):
            made.writestr(f"sigma-r2026-11-01/{name}", RULE)
    found = read_release(path)
    assert set(found.files) == set(names) - {"rules/b.yaml"}
    assert found.licences == ["LICENSE"]
    assert [one.hint for one in found.refused] == ["a rule file ends in .yml: rename it"]
    assert found.left_out == len(others)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x1f\x8b\x08" * 50])
def test_what_is_no_zip_is_refused_in_plain_words(tmp_path: Path, content: bytes):
    path = tmp_path / "r.zip"
    path.write_bytes(content)
    with pytest.raises(RuleError, match="not a zip"):
        read_release(path)


def test_a_folder_without_rules_is_a_mistake(tmp_path: Path):
    """It would otherwise remove every rule of the release before."""
    with pytest.raises(RuleError, match="no rule in it"):
        read_release(tmp_path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_bytes_in_an_archive_are_rules_or_a_refusal(tmp_path: Path, data: st.DataObject):
    raw = bytearray(archive(tmp_path, ("rules/x.yml", RULE), ("a/LICENSE", b"y")).read_bytes())
    for _ in range(data.draw(st.integers(1, 12))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "mutated.zip"
    path.write_bytes(raw)
    try:
        found = read_release(path)
    except RuleError:
        return
    assert all(".." not in name and not name.startswith("/") for name in found.files)
