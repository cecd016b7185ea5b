"""Files worked on where they stand: through descriptors of their folders, with no symbolic link ever followed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from collectors.agent.actions.contract import ActionRefused, Work

CHUNK = 1024 * 1024
REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FORBIDDEN = ("/proc", "/sys", "/dev", "/run/systemd")


@contextmanager
def opened(path: PurePosixPath) -> Iterator[tuple[int, int]]:
    """Descriptors of the folder and the regular file; symbolic links on the way are refused."""
    with folder_of(path.parent) as folder:
        try:
            descriptor = os.open(path.name, REGULAR, dir_fd=folder)
        except OSError as error:
            raise ActionRefused(f"{path}: {said_of(error)}") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ActionRefused(f"{path} is not a regular file")
            yield folder, descriptor
        finally:
            os.close(descriptor)


def facts_of(descriptor: int) -> dict[str, Any]:
    """What must come back with the bytes. The time of the last change of the inode cannot."""
    found = os.fstat(descriptor)
    attributes = {name: os.getxattr(descriptor, name).hex() for name in os.listxattr(descriptor)}
    return {
        "device": found.st_dev,
        "inode": found.st_ino,
        "size": found.st_size,
        "mode": stat.S_IMODE(found.st_mode),
        "user": found.st_uid,
        "group": found.st_gid,
        "atime_ns": found.st_atime_ns,
        "mtime_ns": found.st_mtime_ns,
        "names": found.st_nlink,  # more than one: the bytes can still be reached by another name
        "attributes": attributes,
    }


def copy(source: int, target: int | None, work: Work) -> str:
    """Read a file from its start, into another one if there is one; the SHA-256 in hex."""
    digest, offset = hashlib.sha256(), 0
    while chunk := os.pread(source, CHUNK, offset):
        work.seconds_left()
        digest.update(chunk)
        offset += len(chunk)
        while target is not None and chunk:
            chunk = chunk[os.write(target, chunk) :]
    return digest.hexdigest()


def digest_of(descriptor: int) -> str:
    digest, offset = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, CHUNK, offset):
        digest.update(chunk)
        offset += len(chunk)
    return digest.hexdigest()


def plain_path(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or not path.name or str(path) != text:
        raise ActionRefused(
            f"{text!r}: expected a plain absolute path, without .. or doubled slashes"
        )
    if any(path.is_relative_to(one) for one in FORBIDDEN):
        raise ActionRefused(f"{text} is no file of a disk")
    return path


@contextmanager
def folder_of(path: PurePosixPath) -> Iterator[int]:
    """A descriptor of a folder, opened one part below the other without following links."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open("/", flags)
    try:
        for part in path.parts[1:]:
            try:
                below = os.open(part, flags, dir_fd=descriptor)
            except OSError as error:
                raise ActionRefused(f"{path} at {part!r}: {said_of(error)}") from error
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def is_same(folder: int, name: str, facts: dict[str, Any]) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (facts["device"], facts["inode"])


def exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def name_back(folder: int, aside: str, name: str) -> bool:
    """Give a file its name again, unless another one has it now."""
    try:
        os.link(aside, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        if not os.path.samestat(
            os.stat(aside, dir_fd=folder, follow_symlinks=False),
            os.stat(name, dir_fd=folder, follow_symlinks=False),
        ):
            return False
    os.unlink(aside, dir_fd=folder)
    return True


def set_times(folder: int, name: str, stored: dict[str, Any]) -> None:
    times = (stored["atime_ns"], stored["mtime_ns"])
    os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)


def compare(wanted: str, found: str) -> None:
    if wanted and wanted != found:
        raise ActionRefused(f"the file's SHA-256 is {found}, not the one asked for")


def said_of(error: OSError) -> str:
    links = {40: "a symbolic link stands in the way", 20: "not a folder, or a symbolic link"}
    return links.get(error.errno or 0, error.strerror or repr(error))
