"""Stop a process and everything below it: by pid and start time, so that a reused pid is not hit.

The start time is field 22 of /proc/PID/stat in clock ticks since the boot (proc(5)); with the boot id it names a
process for good. A signal goes through a pidfd that was opened before the start time was compared, so the pid cannot
be reused in between (pidfd_open(2), pidfd_send_signal(2)).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from collectors.agent.actions.contract import (
    DONE,
    FAILED,
    UNCHANGED,
    ActionRefused,
    Outcome,
    Work,
    only,
    whole_of,
)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ROUNDS = 20  # a tree that still grows after these is reported
GONE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Known:
    """One process as it was seen."""

    pid: int
    start_ticks: int
    parent: int
    name: str
    executable: str
    command_line: str
    user: int


class StopProcess:
    """Parameters: ``pid``, ``start_ticks``, and ``boot_id`` if it is known."""

    name, timeout_seconds, is_measure = "stop_process", 30.0, False

    def dry_run(self, work: Work) -> Outcome:
        root = self._target(work)
        return Outcome(DONE, found={"processes": [asdict(one) for one in tree_of(root)]})

    def run(self, work: Work) -> Outcome:
        """Freeze the tree from the top so that it grows no more, then kill it."""
        root = self._target(work)
        seen: dict[tuple[int, int], Known] = {}
        denied: list[int] = []
        for _ in range(ROUNDS):
            found = tree_of(root) or []
            fresh = [one for one in found if (one.pid, one.start_ticks) not in seen]
            if not fresh:
                break
            seen |= {(one.pid, one.start_ticks): one for one in fresh}
            work.note("processes", {"processes": [asdict(one) for one in seen.values()]})
            work.step("before freeze")
            denied += [one.pid for one in fresh if not _signal(one, signal.SIGSTOP)]
        work.step("before kill")
        for one in seen.values():
            _signal(one, signal.SIGKILL)
        work.step("after kill")
        left = _left(seen.values(), GONE_SECONDS)
        facts = {"processes": [asdict(one) for one in seen.values()], "alive": left}
        if left and set(left) == set(denied) == {one.pid for one in seen.values()}:
            raise ActionRefused(f"no permission to stop {left}; run soc-agent as root")
        if left:
            said = f"{len(left)} of {len(seen)} processes are still there"
            return Outcome(FAILED, said + (": no permission" if denied else ""), facts)
        return Outcome(DONE, found=facts)

    def undo(self, work: Work) -> Outcome:
        raise ActionRefused("a stopped process cannot be brought back; start the service again")

    def after_kill(self, work: Work, verb: str) -> Outcome:
        """Nobody is killed a second time; frozen processes are told, since a person must decide."""
        noted = work.noted("processes")
        if noted is None:
            return Outcome(UNCHANGED, "the agent was killed before it touched a process")
        seen = [Known(**one) for one in noted["processes"]]
        left = _left(seen, 0.0)
        facts: dict[str, Any] = {"processes": noted["processes"], "alive": left}
        facts["frozen"] = [pid for pid in left if _state(pid) == "T"]
        said = (
            f"the agent was killed meanwhile; {len(left)} of {len(seen)} processes are still there"
        )
        return Outcome(FAILED if left else DONE, said, facts)

    def is_in_force(self, work: Work) -> bool:
        return False

    def _target(self, work: Work) -> Known:
        only(work, "pid", "start_ticks", "boot_id")
        pid, ticks = whole_of(work, "pid", 2, 2**22), whole_of(work, "start_ticks", 0, 2**62)
        boot = work.parameters.get("boot_id")
        if boot is not None and boot != BOOT_ID.read_text().strip():
            raise ActionRefused("the machine was started again since: this process is gone")
        found = known(pid)
        if found is None:
            raise ActionRefused(f"there is no process {pid}")
        if found.start_ticks != ticks:
            raise ActionRefused(
                f"pid {pid} began at tick {found.start_ticks}, not {ticks}: it is another process now"
            )
        if not found.executable and not found.command_line and found.parent in (0, 2):
            raise ActionRefused(f"pid {pid} is a thread of the kernel")
        if pid in own_line():
            raise ActionRefused(f"pid {pid} is the agent or one of its parents")
        return found


def known(pid: int) -> Known | None:
    """A process as /proc has it now; None when it is gone (a zombie is)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        owner = Path(f"/proc/{pid}").stat().st_uid
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, fields = (
        stat[stat.index(b"(") + 1 : stat.rindex(b")")],
        stat[stat.rindex(b")") + 2 :].split(),
    )
    if fields[0] in (b"Z", b"X"):
        return None
    return Known(
        pid,
        int(fields[19]),
        int(fields[1]),
        name.decode(errors="replace"),
        _executable(pid),
        _command_line(pid),
        owner,
    )


def everything() -> list[Known]:
    """Every process."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [one for pid in pids if (one := known(pid)) is not None]


def tree_of(root: Known) -> list[Known]:
    """The root, if it still lives, and all below it, parents first."""
    found = everything()
    children: dict[int, list[Known]] = {}
    for one in found:
        children.setdefault(one.parent, []).append(one)
    tree = [one for one in found if (one.pid, one.start_ticks) == (root.pid, root.start_ticks)]
    for one in tree:  # grows while it is walked
        tree += children.get(one.pid, [])
    return tree


def own_line() -> set[int]:
    """The agent and its parents: never to be stopped."""
    line, pid = {1}, os.getpid()
    while pid > 1 and pid not in line and (found := known(pid)) is not None:
        line.add(pid)
        pid = found.parent
    return line


def _signal(one: Known, number: signal.Signals) -> bool:
    """Send, if it is still the same process; False without the permission."""
    try:
        handle = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return True
    try:
        now = known(one.pid)
        if now is not None and now.start_ticks == one.start_ticks and one.pid not in own_line():
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    finally:
        os.close(handle)
    return True


def _left(seen: Iterable[Known], seconds: float) -> list[int]:
    """Who is still there after so long."""
    until = time.monotonic() + seconds
    left = list(seen)
    while True:
        left = [
            one for one in left if (now := known(one.pid)) and now.start_ticks == one.start_ticks
        ]
        if not left or time.monotonic() >= until:
            return [one.pid for one in left]
        time.sleep(0.02)


def _executable(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - Path.readlink would tidy the text
    except OSError:
        return ""


def _command_line(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()[:4096]
    except OSError:
        return ""
    return text.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def _state(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    return stat[stat.rindex(b")") + 2 :][:1].decode()
