"""One process at a time in a folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from collectors.agent.errors import SpoolInUse

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def lock_folder(folder: Path) -> int:
    """Hold the folder's lock file until it is closed or the process ends.

    Raises:
        SpoolInUse: another process holds it.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise SpoolInUse(f"another soc-agent already works in {folder.parent}") from error
    return descriptor
