"""Quarantine a file: its bytes, mode, owner, times and extended attributes go to an owner-only store, and come back.

Every folder of the path is opened without following a symbolic link, one below the other, and the file is worked on
through the folder's descriptor: a link put in the way is refused and never followed. The file is first renamed
where it stands and then compared with what was opened, so that another file put in its place is not taken.

    note "origin" -> rename -> copy, hash, sync -> note "stored" -> unlink -> done

A kill before "stored" leaves the file, which gets its name back; after it, the rest is finished.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import PurePosixPath
from typing import Any

from collectors.agent.actions.contract import (
    DONE,
    FAILED,
    UNCHANGED,
    ActionRefused,
    Outcome,
    Work,
    only,
    text_of,
)
from collectors.agent.actions.files_in_place import (
    REGULAR,
    compare,
    copy,
    digest_of,
    exists,
    facts_of,
    folder_of,
    is_same,
    name_back,
    opened,
    plain_path,
    said_of,
    set_times,
)

LARGEST_BYTES = 1024**3
KEPT_FREE_BYTES = 512 * 1024**2  # of the store's disk


class QuarantineFile:
    """Parameters: ``path``, and ``sha256`` if only these bytes are meant."""

    name, timeout_seconds, is_measure = "quarantine_file", 300.0, True

    def dry_run(self, work: Work) -> Outcome:
        path, wanted = self._asked(work)
        with opened(path) as (_, descriptor):
            facts = facts_of(descriptor)
            facts["sha256"] = copy(descriptor, None, work)
        compare(wanted, facts["sha256"])
        return Outcome(DONE, found={"path": str(path), **facts})

    def run(self, work: Work) -> Outcome:
        path, wanted = self._asked(work)
        with opened(path) as (folder, descriptor):
            facts = facts_of(descriptor)
            if wanted:
                compare(wanted, copy(descriptor, None, work))
            room = shutil.disk_usage(work.folder.parent.parent).free - KEPT_FREE_BYTES
            if facts["size"] > min(LARGEST_BYTES, room):
                raise ActionRefused(f"{path} has {facts['size']} bytes: no room in the quarantine")
            aside = f".soc-{work.folder.name}"
            work.note("origin", {"path": str(path), "aside": aside, **facts})
            work.step("before rename")
            try:
                os.rename(path.name, aside, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError as error:
                raise ActionRefused(
                    f"{path.parent} does not let it go: {said_of(error)}"
                ) from error
            work.step("after rename")
            if not is_same(folder, aside, facts):
                if not name_back(folder, aside, path.name):
                    left = {"file": str(path.parent / aside)}
                    return Outcome(FAILED, f"{path} was replaced twice meanwhile", left)
                raise ActionRefused(f"{path} was replaced by another file meanwhile")
            return self._store(work, folder, descriptor, path, facts, wanted)

    def undo(self, work: Work) -> Outcome:
        """Restore: built beside the place, compared, and given its name only if nobody has it."""
        origin, stored = work.noted("origin"), work.noted("stored")
        if origin is None or stored is None:
            raise ActionRefused("there is no such file in the quarantine")
        if work.noted("restored"):
            return Outcome(DONE, "it was restored before", {"path": origin["path"]})
        path, aside = plain_path(origin["path"]), f"{origin['aside']}-back"
        with folder_of(path.parent) as folder:
            if exists(folder, path.name):
                raise ActionRefused(f"{path} exists again: move it away first")
            work.step("before restore")
            with (work.folder / "content").open("rb") as content:
                _build(folder, aside, content.fileno(), stored, work)
            work.step("after build")
            try:
                os.link(aside, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except FileExistsError as error:
                os.unlink(aside, dir_fd=folder)
                raise ActionRefused(f"{path} exists again: move it away first") from error
            work.step("after link")
            os.unlink(aside, dir_fd=folder)
            set_times(folder, path.name, stored)
            os.fsync(folder)
        return self._close(work, stored)

    def after_kill(self, work: Work, verb: str) -> Outcome:
        origin, stored = work.noted("origin"), work.noted("stored")
        if origin is None:
            return Outcome(UNCHANGED, "the agent was killed before it touched the file")
        path = plain_path(origin["path"])
        said = "the agent was killed meanwhile; "
        with folder_of(path.parent) as folder:
            if verb == "undo":
                return self._after_killed_restore(work, folder, path, origin, stored or {}, said)
            if stored is not None:
                if is_same(folder, origin["aside"], origin):
                    os.unlink(origin["aside"], dir_fd=folder)
                return Outcome(DONE, said + "the file was stored", {**stored, "path": str(path)})
            (work.folder / "content").unlink(missing_ok=True)
            if not exists(folder, origin["aside"]):
                return Outcome(UNCHANGED, said + "the file stands where it stood")
            if name_back(folder, origin["aside"], path.name):
                return Outcome(UNCHANGED, said + "the file has its name again")
            left = {"file": str(path.parent / origin["aside"])}
            return Outcome(FAILED, said + "its name is taken: it stands beside it", left)

    def is_in_force(self, work: Work) -> bool:
        return work.noted("stored") is not None and work.noted("restored") is None

    def _asked(self, work: Work) -> tuple[PurePosixPath, str]:
        only(work, "path", "sha256")
        wanted = work.parameters.get("sha256", "")
        if not isinstance(wanted, str) or not re.fullmatch(r"([0-9a-f]{64})?", wanted):
            raise ActionRefused("parameter sha256: expected 64 small hexadecimal digits")
        path = plain_path(text_of(work, "path"))
        if path.is_relative_to(work.folder.parent.parent.resolve()):
            raise ActionRefused(f"{path} is the agent's own")
        return path, wanted

    def _store(
        self,
        work: Work,
        folder: int,
        descriptor: int,
        path: PurePosixPath,
        facts: dict[str, Any],
        wanted: str,
    ) -> Outcome:
        """Copy what was opened; on any trouble the file gets its name back."""
        content = work.folder / "content"
        try:
            with content.open("xb") as file:
                content.chmod(0o600)
                facts["sha256"] = copy(descriptor, file.fileno(), work)
                os.fsync(file.fileno())
            compare(wanted, facts["sha256"])
            now = os.fstat(descriptor)
            if (now.st_size, now.st_mtime_ns) != (facts["size"], facts["mtime_ns"]):
                raise ActionRefused(f"{path} was written to while it was taken; try again")
            work.step("before stored")
            work.note("stored", facts)
        except (OSError, TimeoutError, ActionRefused) as error:
            content.unlink(missing_ok=True)
            if not name_back(folder, f".soc-{work.folder.name}", path.name):
                left = {"file": str(path.parent / f".soc-{work.folder.name}")}
                return Outcome(FAILED, f"{error}; its name was taken meanwhile", left)
            raise ActionRefused(str(error)) from error
        work.step("before unlink")
        os.unlink(f".soc-{work.folder.name}", dir_fd=folder)
        os.fsync(folder)
        work.step("after unlink")
        return Outcome(DONE, found={"path": str(path), **facts})

    def _after_killed_restore(
        self,
        work: Work,
        folder: int,
        path: PurePosixPath,
        origin: dict[str, Any],
        stored: dict[str, Any],
        said: str,
    ) -> Outcome:
        aside = f"{origin['aside']}-back"
        if exists(folder, aside):
            same = exists(folder, path.name) and os.path.samestat(
                os.stat(aside, dir_fd=folder, follow_symlinks=False),
                os.stat(path.name, dir_fd=folder, follow_symlinks=False),
            )
            os.unlink(aside, dir_fd=folder)
            if not same:
                return Outcome(UNCHANGED, said + "the file is still in the quarantine")
        elif not self._is_back(folder, path, stored):
            return Outcome(UNCHANGED, said + "the file is still in the quarantine")
        set_times(folder, path.name, stored)
        closed = self._close(work, stored)
        return Outcome(DONE, said + "the file was restored", closed.found)

    def _is_back(self, folder: int, path: PurePosixPath, stored: dict[str, Any]) -> bool:
        """Whether the path holds what was stored: the kill came after the last name was taken away."""
        if not exists(folder, path.name):
            return False
        descriptor = os.open(path.name, REGULAR, dir_fd=folder)
        try:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return is_file and digest_of(descriptor) == stored.get("sha256")
        finally:
            os.close(descriptor)

    def _close(self, work: Work, stored: dict[str, Any]) -> Outcome:
        origin = work.noted("origin") or {}
        work.note("restored", {"path": origin.get("path", "")})
        (work.folder / "content").unlink(missing_ok=True)
        return Outcome(DONE, found={"path": origin.get("path", ""), "sha256": stored.get("sha256")})


def _build(folder: int, aside: str, content: int, stored: dict[str, Any], work: Work) -> None:
    """The file again, under another name: bytes, owner, attributes, mode (last: a chown takes setuid away)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        target = os.open(aside, flags, 0o600, dir_fd=folder)
    except OSError as error:
        raise ActionRefused(f"the folder does not take the file: {said_of(error)}") from error
    try:
        if copy(content, target, work) != stored["sha256"]:
            raise ActionRefused("the bytes in the quarantine are no longer those that were stored")
        os.fchown(target, stored["user"], stored["group"])
        for name, value in stored["attributes"].items():
            os.setxattr(target, name, bytes.fromhex(value))
        os.fchmod(target, stored["mode"])
        os.fsync(target)
    except (OSError, TimeoutError, ActionRefused) as error:
        os.unlink(aside, dir_fd=folder)
        raise ActionRefused(str(error)) from error
    finally:
        os.close(target)
