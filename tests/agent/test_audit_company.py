"""The parent and the users of an audit record."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from collectors.agent.inputs.audit_company import Company
from collectors.sources import linux_audit
from soc.model.event import RawRecord

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def record(*, parent: int, pid: int, exe: str = "/usr/bin/id", title: str = '"id"') -> bytes:
    """A process start as the kernel says it, of the user 0."""
    stamp = b"audit(1795316400.123:77):"
    call = (
        f" arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid={parent} pid={pid} "
        f"auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 "
        f'comm="{Path(exe).name}" '
        f'exe="{exe}" key=(null)'
    )
    lines = [
        b"type=SYSCALL msg=" + stamp + call.encode(),
        b"type=EXECVE msg=" + stamp + b' argc=1 a0="id"',
        b"type=PROCTITLE msg=" + stamp + b" proctitle=" + title.encode(),
    ]
    return b"\n".join(lines)


def fields_of(raw: bytes) -> dict[str, object]:
    (event,) = linux_audit.read(RawRecord(raw=raw, source="linux_audit", received_at=NOW))
    return event.fields


def test_a_living_parent_is_told_with_its_command_line():
    """The rules on what a web server starts need it."""
    with subprocess.Popen(["sleep", "20"]) as parent:
        while not Path(f"/proc/{parent.pid}/cmdline").read_bytes():
            time.sleep(0.01)  # the kernel shows it a moment after the program has begun
        told = fields_of(Company().complete(record(parent=parent.pid, pid=999_999)))
        parent.kill()
    assert told["process.parent.name"] == "sleep"
    assert told["process.parent.command_line"] == "sleep 20"


def test_a_parent_that_has_ended_is_known_from_its_own_start(tmp_path: Path):
    """A shell that has gone by the time its child is read."""
    company = Company(proc=tmp_path)
    company.complete(record(parent=1, pid=4242, exe="/usr/sbin/apache2", title='"apache2"'))
    told = fields_of(company.complete(record(parent=4242, pid=4243)))
    assert told["process.parent.executable"] == "/usr/sbin/apache2"


def test_the_user_gets_a_name():
    """The kernel sends numbers only."""
    told = fields_of(Company().complete(record(parent=os.getpid(), pid=999_999)))
    assert told["user.name"] == "root"


def test_a_record_of_something_else_stays_as_it_is():
    """Log-ins have no parent."""
    raw = (
        b"type=USER_LOGIN msg=audit(1795316400.123:78): pid=1 uid=0 auid=1000 ses=2 msg='op=login'"
    )
    assert Company().complete(raw) == raw
