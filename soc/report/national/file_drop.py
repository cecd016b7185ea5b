"""A signed package for a closed network: a folder with the document, its manifest and an Ed25519 signature of that.

``<key>/payload``        the document's bytes
``<key>/manifest.json``  who it is for, the file's name, size and SHA-256
``<key>/manifest.sig``   64 bytes: the signature of manifest.json as it stands
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from soc.errors import DeliveryError
from soc.report.national.link import Message

ADAPTER = "file_drop"  # its name in the table of rules
KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")
LARGEST_MANIFEST = 64 * 1024  # bytes
LARGEST_PAYLOAD = 64 * 2**20  # bytes
FILES = frozenset({"payload", "manifest.json", "manifest.sig"})


@dataclass(frozen=True, slots=True)
class Package:
    """A package that holds: the signature is right and the payload is the one it names."""

    key: str
    recipient: str
    file_name: str
    sha256: str
    content: bytes


def write_package(message: Message, folder: Path, signer: Ed25519PrivateKey) -> Path:
    """Returns the package's folder, which appears whole or not at all.

    Raises:
        DeliveryError: the key is no file name, a package of that key is there, or the medium cannot be written.
    """
    if not KEY.fullmatch(message.key):
        raise DeliveryError(f"{message.key!r} cannot be a folder's name", permanent=True)
    target, part = folder / message.key, folder / f".{message.key}.part"
    if target.exists():
        raise DeliveryError(f"{target} is there already: take it away first, or use another medium")
    told = {
        "key": message.key, "recipient": message.recipient, "subject": message.subject,
        "file_name": message.file_name, "media_type": message.media_type,
        "size_bytes": len(message.content), "sha256": message.sha256,
    }  # fmt: skip
    manifest = json.dumps(told, ensure_ascii=False, sort_keys=True, indent=1).encode()
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for name, content in (
            ("payload", message.content),
            ("manifest.json", manifest),
            ("manifest.sig", signer.sign(manifest)),
        ):
            with (part / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        part.rename(target)
    except OSError as error:
        raise DeliveryError(f"{folder}: {error}") from error
    return target


def read_package(folder: Path, signer: Ed25519PublicKey) -> Package:
    """Check a package on the other side.

    Raises:
        DeliveryError: not a package, not signed by ``signer``, or not the bytes that the manifest names.
    """
    try:
        names = {path.name for path in folder.iterdir()}
        if names != FILES or any((folder / name).is_symlink() for name in names):
            raise DeliveryError(f"{folder} holds {sorted(names)}, not plainly {sorted(FILES)}")
        manifest = _at_most(folder / "manifest.json", LARGEST_MANIFEST)
        signer.verify(_at_most(folder / "manifest.sig", 64), manifest)
        content = _at_most(folder / "payload", LARGEST_PAYLOAD)
        told = json.loads(manifest)
        package = Package(
            str(told["key"]), str(told["recipient"]), str(told["file_name"]),
            hashlib.sha256(content).hexdigest(), content,
        )  # fmt: skip
        named = told["sha256"]
    except InvalidSignature as error:
        raise DeliveryError(
            f"{folder}: the signature is not by this key, or the manifest was changed"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DeliveryError(f"{folder}: not a package: {error!r}") from error
    if named != package.sha256:
        raise DeliveryError(f"{folder}: the payload is not the one that the manifest names")
    if package.key != folder.name:
        raise DeliveryError(f"{folder} is the package {package.key!r} under another name")
    return package


def _at_most(path: Path, size_bytes: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(size_bytes + 1)
    if len(content) > size_bytes:
        raise DeliveryError(f"{path} has more than {size_bytes} bytes")
    return content
