"""A network namespace for one test: processes started in it see loopback and the addresses given, no more."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.conftest import missing

CLONE_NEWNET = 0x40000000


@contextmanager
def own_network(addresses: Iterable[str]) -> Iterator[None]:
    """The calling thread, and what it starts, in a new network namespace with ``addresses`` on loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            missing("the right to make a network namespace (root)")
        try:
            added = [
                f"addr add {one}/128 dev lo nodad" if ":" in one else f"addr add {one}/32 dev lo"
                for one in addresses
            ]
            steps = ["link set lo up", *added]
            subprocess.run(["ip", "-batch", "-"], input="\n".join(steps), text=True, check=True)
            yield
        finally:
            if libc.setns(before, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "the test cannot go back to its own network")
    finally:
        os.close(before)
