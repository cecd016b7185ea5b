"""Collect a triage bundle: a tar.zst of the live state and of selected files, with hashes and a chain of custody.

Its last members are ``SHA256SUMS`` (as sha256sum(1) reads it) over all others, and ``custody.json``: who asked, who
approved, for which case, which machine, when each part was read, and what could not be. The bundle travels under
the agent's signature; the platform keeps it by its SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import stat
import tarfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import zstandard

from collectors.agent.actions.contract import DONE, UNCHANGED, ActionRefused, Outcome, Work, only
from collectors.agent.actions.live_state import PARTS
from collectors.agent.actions.query_state import fitting

PART_BYTES = 8 * 1024**2
FILE_BYTES = 4 * 1024**2
BUNDLE_BYTES = 10 * 1024**2  # compressed: what the door takes in one piece
FILES = 100


class CollectTriage:
    """Parameters: ``files``, a list of absolute paths, may be left out."""

    name, timeout_seconds, is_measure = "collect_triage", 300.0, False

    def dry_run(self, work: Work) -> Outcome:
        return Outcome(DONE, found={"parts": list(PARTS), "files": self._files(work)})

    def run(self, work: Work) -> Outcome:
        files = self._files(work)
        work.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = work.folder / "triage.tar.zst"
        work.step("before bundle")
        with path.open("wb") as raw:
            path.chmod(0o600)
            with (
                zstandard.ZstdCompressor(level=6).stream_writer(raw, closefd=False) as packed,
                tarfile.open(fileobj=packed, mode="w|") as archive,
            ):
                bundle = Bundle(work, archive, raw)
                for name, part in PARTS.items():
                    bundle.add_part(name, part)
                for one in files:
                    bundle.add_file(one)
                bundle.close()
            raw.flush()
            os.fsync(raw.fileno())
        work.step("after bundle")
        with path.open("rb") as made:
            digest = hashlib.file_digest(made, "sha256").hexdigest()
        facts = {"sha256": digest, "size": path.stat().st_size, "members": bundle.sums}
        return Outcome(DONE, found={**facts, "unread": bundle.unread}, bundle=path)

    def undo(self, work: Work) -> Outcome:
        raise ActionRefused("a bundle changes nothing, so there is nothing to undo")

    def after_kill(self, work: Work, verb: str) -> Outcome:
        (work.folder / "triage.tar.zst").unlink(missing_ok=True)
        return Outcome(UNCHANGED, "the agent was killed while it collected; ask again")

    def is_in_force(self, work: Work) -> bool:
        return False

    def _files(self, work: Work) -> list[str]:
        only(work, "files")
        files = work.parameters.get("files", [])
        if not isinstance(files, list) or len(files) > FILES:
            raise ActionRefused(f"parameter files: expected a list of at most {FILES} paths")
        if not all(
            isinstance(one, str) and one.startswith("/") and "\0" not in one for one in files
        ):
            raise ActionRefused("parameter files: expected absolute paths")
        return files


@dataclass(slots=True)
class Bundle:
    """The archive as it grows."""

    work: Work
    archive: tarfile.TarFile
    raw: io.BufferedWriter
    sums: dict[str, str] = field(default_factory=dict)  # member to SHA-256
    read_at: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def add_part(self, name: str, part: Any) -> None:
        try:
            rows = fitting(part(), PART_BYTES, self.work)
        except TimeoutError:
            raise
        except Exception as error:  # one part that cannot be read must not cost the others
            self.unread[name] = repr(error)[:300]
            return
        self._add(
            f"{name}.json", json.dumps(rows, ensure_ascii=False, indent=1).encode(errors="replace")
        )

    def add_file(self, name: str) -> None:
        """A file's first bytes; a link is kept as what it points to and not followed."""
        self.work.seconds_left()
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(22, "not a regular file")
                content = file.read(FILE_BYTES)
                if file.read(1):
                    self.unread[name] = f"only the first {FILE_BYTES} bytes were taken"
        except OSError as error:
            self.unread[name] = error.strerror or repr(error)
            return
        self._add("files" + name, content)

    def close(self) -> None:
        sums = "".join(f"{digest}  {name}\n" for name, digest in self.sums.items())
        facts = {
            "command": self.work.command_id,
            "custody": dict(self.work.custody),
            "host": platform.node(),
            "system": platform.platform(),
            "collected_at": _now(),
            "read_at": self.read_at,
            "unread": self.unread,
            "sha256sums": hashlib.sha256(sums.encode()).hexdigest(),
        }
        self._put("SHA256SUMS", sums.encode())
        self._put("custody.json", json.dumps(facts, ensure_ascii=False, indent=1).encode())

    def _add(self, name: str, content: bytes) -> None:
        if self.raw.tell() + len(content) // 2 > BUNDLE_BYTES:
            self.unread[name] = "the bundle is full"
            return
        self.sums[name], self.read_at[name] = hashlib.sha256(content).hexdigest(), _now()
        self._put(name, content)

    def _put(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o600
        member.mtime = int(datetime.now(UTC).timestamp())
        self.archive.addfile(member, io.BytesIO(content))


def _now() -> str:
    return datetime.now(UTC).isoformat()
