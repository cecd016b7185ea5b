"""A small site of real processes for measuring: started on free ports in a folder that is thrown away."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunningSite:
    """``process`` is ``soc up``; the others are its children."""

    home: Path
    process: subprocess.Popen[str]
    console: str
    door: str
    password: str
    ready_in_seconds: float
    environment: dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def site_environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a site in ``home`` on ports of its own; ``settings`` are ``SOC_*`` names in lower case."""
    ports = {name: str(free_port()) for name in ("SOC_PORT", "SOC_DOOR_PORT", "SOC_NATIONAL_PORT")}
    named = {f"SOC_{name.upper()}": value for name, value in settings.items()}
    return dict(os.environ) | {"SOC_HOME": str(home)} | ports | named


@contextmanager
def running_site(
    home: Path, *arguments: str, within_seconds: float = 120, **settings: str
) -> Iterator[RunningSite]:
    """Start ``soc up`` and wait for its greeting; stop it with SIGINT at the end.

    Raises:
        RuntimeError: it ended before it was ready; the text is what it printed.
    """
    environment = site_environment(home, **settings)
    process = subprocess.Popen(
        [sys.executable, "-m", "soc.cli.main", "up", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    timer = threading.Timer(within_seconds, process.kill)
    timer.start()
    printed, password, seconds = [], "", 0.0
    try:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line)
            if found := re.search(r"ready in ([\d.]+) s", line):
                seconds = float(found[1])
            if found := re.search(r"one-time password (\S+)", line):
                password = found[1]
            if line.startswith("Ready"):
                break
        else:
            raise RuntimeError("the site did not start:\n" + "".join(printed))
        timer.cancel()
        yield RunningSite(
            home,
            process,
            f"http://127.0.0.1:{environment['SOC_PORT']}",
            f"https://127.0.0.1:{environment['SOC_DOOR_PORT']}",
            password,
            seconds,
            environment,
        )
    finally:
        timer.cancel()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
        if process.stdout is not None:
            process.stdout.close()
        process.wait()


def processes_below(pid: int) -> list[int]:
    """``pid`` and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def proportional_memory_bytes(pid: int) -> int:
    """PSS of one process, from /proc/PID/smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.M)
    return int(found[1]) * 1024 if found else 0


def cpu_seconds(pid: int) -> float:
    """User and system time of one process and the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
