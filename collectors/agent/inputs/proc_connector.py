"""Process starts from the proc connector (linux/cn_proc.h): the fallback where audit is not to be had.

The kernel says only which process has called exec; the rest is read from /proc a moment later, so of short
processes the arguments may be gone already. Each record says so: ``incomplete``, and what is ``missing``.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.agent.intake import Intake

STREAM, SOURCE = "process", "linux_process"
NETLINK_CONNECTOR, CN_IDX_PROC, CN_VAL_PROC = 11, 1, 1
LISTEN, IGNORE = 1, 2
EVENT_EXEC = 0x2
HEADER = struct.Struct("=IHHII")
CONNECTOR = struct.Struct("=IIIIHH")
EVENT = struct.Struct("=IIQII")  # what, cpu, timestamp, pid, thread group


class ProcConnector:
    """Listens to exec events of the whole machine; needs CAP_NET_ADMIN."""

    name = "process"

    def run(self, intake: Intake, stop: threading.Event) -> None:
        try:
            listener = self._open()
        except OSError as error:
            reason = f"process starts cannot be seen ({error.strerror}); run as root"
            intake.notices.blind(self.name, reason)
            return
        intake.notices.blind(self.name, "from the proc connector: short processes lack arguments")
        with listener:
            while not stop.is_set():
                try:
                    datagram = listener.recv(4096)
                except TimeoutError:
                    continue
                except OSError as error:
                    message = f"exec events were lost: {error.strerror}"
                    intake.notices.tell("kernel_lost", message, input=self.name, lost=None)
                    continue
                if (process := exec_of(datagram)) is not None:
                    facts = facts_of(process, datetime.now(UTC))
                    intake.put(STREAM, SOURCE, [json.dumps(facts, ensure_ascii=True).encode()])

    def _open(self) -> socket.socket:
        listener = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
        try:
            listener.bind((0, CN_IDX_PROC))
            content = CONNECTOR.pack(CN_IDX_PROC, CN_VAL_PROC, 0, 0, 4, 0) + struct.pack(
                "=I", LISTEN
            )
            listener.send(HEADER.pack(HEADER.size + len(content), 3, 0, 0, 0) + content)
        except OSError:
            listener.close()
            raise
        listener.settimeout(0.25)
        return listener


def exec_of(datagram: bytes) -> int | None:
    """The process of an exec event, None for any other event."""
    start = HEADER.size + CONNECTOR.size
    if len(datagram) < start + EVENT.size:
        return None
    what, _, _, _, process = EVENT.unpack_from(datagram, start)
    return process if what == EVENT_EXEC else None


def facts_of(process: int, now: datetime) -> dict[str, Any]:
    """What /proc still knows of a process (docs/wire.md, ``linux_process``)."""
    folder = Path("/proc", str(process))
    facts: dict[str, Any] = {
        "action": "exec",
        "time": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "pid": process,
        "incomplete": True,
    }
    with suppress(OSError):
        content = (folder / "cmdline").read_bytes()
        if content:
            facts["args"] = [os.fsdecode(one) for one in content.rstrip(b"\0").split(b"\0")]
    with suppress(OSError):
        facts["executable"] = str((folder / "exe").readlink())
    with suppress(OSError):
        facts["working_directory"] = str((folder / "cwd").readlink())
    with suppress(OSError):
        lines = (folder / "status").read_text(errors="replace").splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        facts["ppid"] = int(status["PPid"])
        facts["uid"] = int(status["Uid"].split()[0])
        with suppress(OSError):
            facts["parent_executable"] = str(Path("/proc", status["PPid"], "exe").readlink())
    wanted = ("ppid", "uid", "executable", "args", "working_directory", "parent_executable")
    facts["missing"] = [name for name in wanted if name not in facts]
    return facts
