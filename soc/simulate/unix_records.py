"""Records of Linux servers: syslog lines of rsyslog, audit serials, access logs of the portal.

Formats: rsyslog's RSYSLOG_FileFormat; linux-audit/audit-documentation, with ``node=`` as ``name_format = fqd`` of
auditd.conf(5) writes it; Apache's combined log format.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from soc.simulate.record import NUMBER, VIETNAM, Draft
from soc.simulate.site import Machine


def said(at: datetime, machine: Machine, program: str, message: str, pid: int = 0) -> Draft:
    """A syslog line."""
    tag = f"{program}[{pid}]" if pid else program
    stamp = at.astimezone(VIETNAM).isoformat(timespec="microseconds")
    return Draft(at, "syslog", machine.host, "", f"{stamp} {machine.host} {tag}: {message}")


def ssh_accepted(
    at: datetime, machine: Machine, login: str, address: str, port: int, *, password: bool = False
) -> Draft:
    kind = "password" if password else "publickey"
    key = "" if password else ": ED25519 SHA256:sYnThEtIcKeYoFaSiMuLaTeDaDmInIsTrAtOr0000000"
    return said(
        at,
        machine,
        "sshd",
        f"Accepted {kind} for {login} from {address} port {port} ssh2{key}",
        port % 30_000 + 900,
    )


def ssh_refused(at: datetime, machine: Machine, login: str, address: str, port: int) -> Draft:
    message = f"Failed password for {login} from {address} port {port} ssh2"
    return said(at, machine, "sshd", message, port % 30_000 + 900)


def sudo(at: datetime, machine: Machine, login: str, command: str) -> Draft:
    message = f"{login} : TTY=pts/0 ; PWD=/home/{login} ; USER=root ; COMMAND={command}"
    return said(at, machine, "sudo", f"   {message}")


def cron(at: datetime, machine: Machine, login: str, command: str, pid: int) -> Draft:
    return said(at, machine, "CRON", f"({login}) CMD ({command})", pid)


def executed(
    at: datetime,
    machine: Machine,
    arguments: Sequence[str],
    *,
    executable: str,
    parent: str,
    uid: int = 0,
    user: str = "root",
    pid: int = 4_000,
) -> Draft:
    """An execve as the agent ships it: the kernel's lines of one serial, and the agent's of parent and user."""
    head = f"msg=audit({at.timestamp():.3f}:{NUMBER}):"
    name = executable.rpartition("/")[2]
    argv = " ".join(f"a{place}={_quoted(text)}" for place, text in enumerate(arguments))
    lines = (
        f"type=SYSCALL {head} arch=c000003e syscall=59 success=yes exit=0 a0=55d0 a1=55d1 a2=55d2 a3=8 items=2 "
        f"ppid={pid - 1} pid={pid} auid={uid} uid={uid} gid={uid} euid={uid} suid={uid} fsuid={uid} egid={uid} "
        f'sgid={uid} fsgid={uid} tty=(none) ses=3 comm="{name}" exe="{executable}" subj=unconfined key="soc-agent"',
        f"type=EXECVE {head} argc={len(arguments)} {argv}",
        f'type=CWD {head} cwd="/"',
        f'type=SOC_PARENT {head} exe="{parent}" comm="{parent.rpartition("/")[2]}"',
        f'type=SOC_USER {head} uid={uid} name="{user}"',
    )
    text = "\n".join(f"node={machine.host} {line}" for line in lines)
    return Draft(at, "linux_audit", machine.host, "audit", text)


def _quoted(text: str) -> str:
    """As the kernel writes an argument: in hexadecimal if it holds a blank, a quote or more than ASCII."""
    plain = text.isascii() and text.isprintable() and not set(text) & {" ", '"'}
    return f'"{text}"' if plain and text else text.encode().hex().upper() or '""'


def asked(
    at: datetime,
    machine: Machine,
    address: str,
    request: str,
    status: int = 200,
    size: int = 5_120,
    agent: str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
) -> Draft:
    """A line of the portal's access log; ``request`` is ``METHOD /path``."""
    stamp = f"{at.astimezone(VIETNAM):%d/%b/%Y:%H:%M:%S %z}"
    text = f'{address} - - [{stamp}] "{request} HTTP/1.1" {status} {size} "-" "{agent}"'
    return Draft(at, "web_access", machine.host, "", text)
