"""What a machine looks like now: processes, sockets, what starts by itself, users, log-ins, packages."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from collectors.agent.actions.stop_process import BOOT_ID, everything

AUTORUNS = (
    "/etc/crontab",
    "/etc/cron.d/*",
    "/etc/cron.*/*",
    "/var/spool/cron/*",
    "/var/spool/cron/crontabs/*",
    "/etc/systemd/system/*.service",
    "/etc/systemd/system/*.timer",
    "/etc/systemd/system/*.wants/*",
    "/etc/init.d/*",
    "/etc/rc.local",
    "/etc/profile.d/*",
    "/etc/ld.so.preload",
    "/etc/xdg/autostart/*.desktop",
)
OF_HOMES = (
    ".ssh/authorized_keys",
    ".bashrc",
    ".profile",
    ".config/autostart/*.desktop",
    ".config/systemd/user/*.service",
)
PROGRAM_SECONDS = 20.0
LARGEST_AUTORUN_BYTES = 64 * 1024
TEXT_BYTES = 2 * 1024 * 1024  # of a program's output


def processes() -> Iterator[dict[str, Any]]:
    """Each with what ``stop_process`` needs to name it."""
    boot = BOOT_ID.read_text().strip()
    for one in everything():
        yield {**asdict(one), "boot_id": boot}


def sockets() -> Iterator[dict[str, Any]]:
    """Internet sockets; without root those of others have no pid."""
    kinds = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
    for one in psutil.net_connections("inet"):
        yield {
            "transport": kinds.get(one.type, str(one.type)),
            "local": [*one.laddr],
            "remote": [*one.raddr],
            "state": one.status,
            "pid": one.pid,
        }


def autoruns() -> Iterator[dict[str, Any]]:
    """Files from which something starts by itself: where, where a link goes, the first bytes."""
    for pattern in AUTORUNS:
        yield from map(_file, sorted(Path("/").glob(pattern[1:])))
    homes = {str(one["home"]) for one in users()}
    for home in sorted(one for one in homes if one.startswith("/") and one != "/"):
        for pattern in OF_HOMES:
            yield from map(_file, sorted(Path(home).glob(pattern)))


def users() -> Iterator[dict[str, Any]]:
    """Local accounts, without what they sign in with."""
    for line in Path("/etc/passwd").read_text(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) >= 7:
            yield {"name": fields[0], "user": fields[2], "home": fields[5], "shell": fields[6]}


def log_ins() -> Iterator[dict[str, Any]]:
    """Who is signed in, and the last ones by ``last``, where there is one."""
    for one in psutil.users():
        yield {"name": one.name, "terminal": one.terminal, "from": one.host, "since": one.started}
    yield from _lines_of("last", "-n", "200", "-w", "-F")


def packages() -> Iterator[dict[str, Any]]:
    """Installed packages by dpkg or rpm."""
    if shutil.which("dpkg-query"):
        yield from _lines_of("dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\\n")
    else:
        yield from _lines_of("rpm", "-qa")


PARTS: Mapping[str, Callable[[], Iterator[dict[str, Any]]]] = MappingProxyType(
    {
        "processes": processes,
        "sockets": sockets,
        "autoruns": autoruns,
        "users": users,
        "log_ins": log_ins,
        "packages": packages,
    }
)


def _file(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = {"path": str(path), "mtime": path.lstat().st_mtime}
        if path.is_symlink():
            facts["link_to"] = str(path.readlink())
        if path.is_file():
            with path.open("rb") as file:
                facts["text"] = file.read(LARGEST_AUTORUN_BYTES).decode(errors="replace")
    except OSError as error:
        return {"path": str(path), "unread": error.strerror}
    return facts


def _lines_of(*command: str) -> Iterator[dict[str, Any]]:
    if shutil.which(command[0]) is None:
        yield {"unread": f"there is no program {command[0]}"}
        return
    done = subprocess.run(command, capture_output=True, timeout=PROGRAM_SECONDS)
    for line in done.stdout[:TEXT_BYTES].decode(errors="replace").splitlines():
        if line.strip():
            yield {"line": line}
