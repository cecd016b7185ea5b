"""Importing rules: what was edited here survives, a crash leaves the old set or the new one."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soc.detect import imports
from soc.detect.import_plan import plan_import
from soc.detect.imports import Imported, RuleSets, imported_folders
from soc.detect.releases import Release, read_release
from soc.errors import Conflict, SettingsError

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
A, B = "rules/a.yml", "rules/b.yml"
LINES = ["title: a rule", "id: 5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c10", "status: test", "x: 1"]
LINES += ["author: an author", "level: low", "y: 2", "tags: []"]


def text(**changed: str) -> bytes:
    """The rule's text; ``level="high"`` changes that line."""
    lines = [
        next((f"{key}: {new}" for key, new in changed.items() if line.startswith(f"{key}:")), line)
        for line in LINES
    ]
    return "\n".join([*lines, ""]).encode()


def release(**files: bytes) -> Release:
    made = Release("r")
    for name, content in files.items():
        made.take(f"rules/{name}.yml", content)
    return made


def take(
    sets: RuleSets, made: Release, is_active: Callable[[str], bool] = lambda _: False
) -> Imported:
    return sets.take("s", made, now=NOW, actor="an", is_active=is_active)


def said(done: Imported) -> list[str]:
    return [f"{one.kind} {one.place}" for one in done.plan.changes]


@pytest.fixture
def sets(tmp_path: Path) -> RuleSets:
    return RuleSets(tmp_path / "rules")


def local(sets: RuleSets, path: str = A) -> Path:
    return sets.home / "s" / "local" / path


def test_a_first_import_brings_everything_byte_for_byte(sets: RuleSets):
    made = release(a=text(), b=b"title: b\r\n")
    made.take("LICENSE", "Detection Rule License © SigmaHQ".encode())
    assert said(take(sets, made)) == ["added LICENSE", f"added {A}", f"added {B}"]
    (folder,) = imported_folders(sets.home)
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in found} == made.files


def test_a_second_import_of_the_same_changes_nothing(sets: RuleSets):
    take(sets, release(a=text(), b=b"title: b"))
    local(sets).write_bytes(text(level="high"))
    before = (sets.home / "s").resolve(), sorted((sets.home / ".sets").rglob("*"))
    done = take(sets, release(a=text(), b=b"title: b"))
    assert (done.changed, said(done)) == (False, [])
    assert before == ((sets.home / "s").resolve(), sorted((sets.home / ".sets").rglob("*")))


def test_an_unedited_rule_is_replaced(sets: RuleSets):
    take(sets, release(a=text()))
    assert said(take(sets, release(a=text(level="high")))) == [f"updated {A}"]
    assert local(sets).read_bytes() == text(level="high")


def test_edits_in_other_lines_are_merged(sets: RuleSets):
    take(sets, release(a=text()))
    local(sets).write_bytes(text(level="high"))
    assert said(take(sets, release(a=text(status="stable")))) == [f"merged {A}"]
    assert local(sets).read_bytes() == text(level="high", status="stable")
    assert (sets.home / "s" / "upstream" / A).read_bytes() == text(status="stable")


def test_edits_of_the_same_line_stay_and_are_told_with_their_line(sets: RuleSets):
    take(sets, release(a=text()))
    local(sets).write_bytes(text(level="high"))
    assert said(take(sets, release(a=text(level="medium")))) == [f"conflict {A}:6"]
    assert local(sets).read_bytes() == text(level="high")


def test_a_merge_that_is_no_rule_is_a_conflict(sets: RuleSets):
    """Both sides add a key of one name in places far apart."""
    take(sets, release(a=text()))
    local(sets).write_bytes(text().replace(b"status", b"new: 1\nstatus"))
    done = take(sets, release(a=text().replace(b"tags", b"new: 2\ntags")))
    assert [one.kind for one in done.plan.changes] == ["conflict"]
    assert b"new: 1" in local(sets).read_bytes()


def test_a_dropped_rule_goes_unless_it_is_edited_or_active(sets: RuleSets):
    three = release(a=text(), b=b"title: b\nid: 5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c11\n", c=b"c: 1")
    take(sets, three)
    local(sets).write_bytes(text(level="high"))
    done = take(sets, release(d=b"d: 1"), is_active=lambda rule: rule.endswith("6c11"))
    assert said(done) == [f"kept {A}", f"kept {B}", "removed rules/c.yml", "added rules/d.yml"]
    assert local(sets, B).exists()
    assert not local(sets, "rules/c.yml").exists()


def test_a_rule_that_only_moved_takes_edits_and_cases_along(sets: RuleSets):
    take(sets, release(a=text()))
    local(sets).write_bytes(text(level="high"))
    local(sets, "rules/a.cases.jsonl").write_bytes(b"{}")
    done = take(sets, release(z=text(status="stable")))
    assert said(done) == ["moved rules/z.yml", "merged rules/z.yml"]
    assert local(sets, "rules/z.yml").read_bytes() == text(level="high", status="stable")
    assert local(sets, "rules/z.cases.jsonl").exists()
    assert not local(sets).exists()


def test_files_of_ones_own_stay(sets: RuleSets):
    take(sets, release(a=text()))
    local(sets, "own.yml").write_bytes(b"title: own")
    local(sets, B).write_bytes(b"title: mine")
    done = take(sets, release(a=text(), b=b"title: b"))
    assert said(done) == [f"conflict {B}:1"]
    assert local(sets, B).read_bytes() == b"title: mine"
    assert local(sets, "own.yml").exists()


def test_what_was_removed_here_stays_removed(sets: RuleSets):
    take(sets, release(a=text(), b=b"title: b"))
    local(sets).unlink()
    assert said(take(sets, release(a=text(level="high"), b=b"title: b"))) == [f"kept {A}"]
    assert not local(sets).exists()


def test_a_refused_file_leaves_the_one_before_in_place(sets: RuleSets):
    take(sets, release(a=text(), b=b"title: b"))
    damaged = release(b=b"title: b")
    damaged.withheld.add(A)
    assert said(take(sets, damaged)) == []
    assert local(sets).exists()


@pytest.mark.parametrize(
    "step", ["_about", "_turn", "mkdir", "write_bytes", "sync", "_tree", "replace"]
)
def test_a_crash_at_any_step_leaves_the_old_set(
    sets: RuleSets, monkeypatch: pytest.MonkeyPatch, step: str
):
    """And the next import does its work."""
    take(sets, release(a=text(), b=b"title: b"))
    calls = 0

    def dies(*_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    where = imports.os if step == "sync" else Path if hasattr(Path, step) else imports
    with monkeypatch.context() as patched:
        patched.setattr(where, step, dies)
        with pytest.raises(KeyboardInterrupt):
            take(sets, release(a=text(level="high"), b=b"title: b2"))
    assert calls
    assert (local(sets).read_bytes(), local(sets, B).read_bytes()) == (text(), b"title: b")
    take(sets, release(a=text(level="high"), b=b"title: b2"))
    assert local(sets, B).read_bytes() == b"title: b2"
    assert len(list((sets.home / ".sets").iterdir())) == 2  # in use, and the one before


def test_a_crash_after_the_turn_leaves_the_new_set(sets: RuleSets, monkeypatch: pytest.MonkeyPatch):
    take(sets, release(a=text()))
    monkeypatch.setattr(RuleSets, "_forget", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        take(sets, release(a=text(level="high")))
    assert local(sets).read_bytes() == text(level="high")


def test_an_edit_during_the_import_is_not_lost(sets: RuleSets, monkeypatch: pytest.MonkeyPatch):
    take(sets, release(a=text()))
    monkeypatch.setattr(imports.os, "sync", lambda: local(sets).write_bytes(text(level="high")))
    with pytest.raises(Conflict, match="run it again"):
        take(sets, release(a=text(status="stable")))
    assert local(sets).read_bytes() == text(level="high")


def test_two_imports_at_once_are_refused(sets: RuleSets):
    with sets._alone(), pytest.raises(Conflict, match="another import"):
        take(sets, release(a=text()))


def test_what_cannot_be_written_changes_nothing(sets: RuleSets):
    take(sets, release(a=text()))
    local(sets, "rules/b.yml").mkdir()
    local(sets, "rules/b.yml/own.yml").write_bytes(b"title: own")
    with pytest.raises(SettingsError, match="nothing has changed"):
        take(sets, release(a=text(level="high"), b=b"title: b"))
    assert local(sets).read_bytes() == text()


def test_a_link_among_the_edited_files_is_not_lost_silently(sets: RuleSets):
    take(sets, release(a=text()))
    local(sets, "more").symlink_to("/etc")
    with pytest.raises(SettingsError, match="more is not an ordinary file"):
        take(sets, release(a=text(level="high")))
    assert local(sets).read_bytes() == text()


@pytest.mark.parametrize("name", ["", "../x", ".sets", "A", "a/b", "a" * 41])
def test_a_name_that_leads_elsewhere_is_refused(sets: RuleSets, name: str):
    with pytest.raises(SettingsError, match="--name"):
        sets.take(name, release(a=text()), now=NOW, actor="an")


def test_a_folder_of_ones_own_is_not_overwritten(sets: RuleSets):
    (sets.home / "s").mkdir(parents=True)
    with pytest.raises(SettingsError, match="folder of your own"):
        take(sets, release(a=text()))


def test_a_rule_that_is_in_both_places_is_not_taken_as_moved():
    plan = plan_import({A: text()}, {A: text()}, {A: text(), B: text()}, lambda _: False)
    assert [(one.kind, one.path) for one in plan.changes] == [("added", B)]


def test_all_of_sigmahq_comes_in_as_folder_and_as_zip_alike(corpus: Path, sets: RuleSets):
    """3,754 rules and their licence; the second import, of the zip, has nothing to do."""
    folder = corpus / "sigma"
    done = take(sets, read_release(folder))
    assert (done.rules, len(done.plan.changes)) == (3_754, 3_755)
    path = sets.home.parent / "sigma_all_rules.zip"
    with zipfile.ZipFile(path, "w") as made:
        for file in folder.rglob("*"):
            if file.is_file():
                made.write(file, Path("sigma-main") / file.relative_to(folder))
    assert said(take(sets, read_release(path))) == []
    author = next(local(sets, "").rglob("proc_creation_win_net_user_add.yml")).read_text()
    assert "author: Endgame" in author
    shutil.rmtree(sets.home)
