"""What an audit record leaves out, looked up while the processes still live: the parent and the users' names.

Two lines are added to the record of a system call, with the same ``msg=audit(...)``:
``type=SOC_PARENT`` (``exe``, ``comm``, ``cmdline`` of the parent) and ``type=SOC_USER`` (``uid``, ``name``).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

try:
    import pwd
except ImportError:  # not a Unix machine; there is no audit either
    pwd = None  # type: ignore[assignment]

CALL = re.compile(
    rb"^type=SYSCALL msg=(audit\([^)]*\):).*? ppid=(\d+) pid=(\d+) auid=(\d+) uid=(\d+)", re.M
)
EXE = re.compile(rb"^type=SYSCALL .*? comm=(\S+) exe=(\S+)", re.M)
TITLE = re.compile(rb"^type=PROCTITLE .*? ?proctitle=(.+)$", re.M)
UNSET = 4294967295
MOST_REMEMBERED = 4096
LONGEST_COMMAND = 4096  # bytes of a parent's command line that are sent along


class Company:
    """Completes records. Processes that have already ended are known from their own start, as far as seen."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._started: OrderedDict[bytes, bytes] = OrderedDict()  # pid to the text of a SOC_PARENT

    def complete(self, record: bytes) -> bytes:
        """The record with its lines added; any other record as it is."""
        found = CALL.search(record)
        if found is None:
            return record
        message, parent, pid, *users = found.groups()
        lines = [record]
        if text := self._living(parent) or self._started.get(parent):
            lines.append(b"type=SOC_PARENT msg=%s %s" % (message, text))
        lines += [
            b"type=SOC_USER msg=%s uid=%d name=%s" % (message, user, quoted(name.encode()))
            for user in dict.fromkeys(int(one) for one in users)
            if user != UNSET and (name := user_name(user))
        ]
        self._remember(pid, record)
        return b"\n".join(lines)

    def _living(self, pid: bytes) -> bytes:
        folder = self._proc / pid.decode()
        try:
            comm = (folder / "comm").read_bytes().rstrip(b"\n")
            command = (folder / "cmdline").read_bytes()[:LONGEST_COMMAND]
        except OSError:
            return b""
        try:
            exe = bytes((folder / "exe").readlink())
        except OSError:  # a kernel thread, or no right to look
            exe = b""
        return _text(quoted(exe), quoted(comm), command.rstrip(b"\0").hex().upper().encode())

    def _remember(self, pid: bytes, record: bytes) -> None:
        if exe := EXE.search(record):
            title = TITLE.search(record)
            command = title[1] if title else b""
            if command.startswith(b'"'):
                command = command.strip(b'"').hex().upper().encode()
            self._started[pid] = _text(exe[2], exe[1], command[: 2 * LONGEST_COMMAND])
            self._started.move_to_end(pid)
            if len(self._started) > MOST_REMEMBERED:
                self._started.popitem(last=False)


def _text(exe: bytes, comm: bytes, command_hex: bytes) -> bytes:
    return b"exe=%s comm=%s cmdline=%s" % (exe, comm, command_hex)


def quoted(value: bytes) -> bytes:
    """As audit writes an untrusted string: in quotes, or in hex where it holds blanks, quotes or odd bytes.

    >>> quoted(b"/bin/bash"), quoted(b"a b")
    (b'"/bin/bash"', b'612062')
    """
    plain = all(0x21 <= byte <= 0x7E and byte != 0x22 for byte in value)
    return b'"%s"' % value if plain else value.hex().upper().encode()


@lru_cache(maxsize=1024)
def user_name(number: int) -> str:
    """The name of a user number on this machine, or "" if it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return ""
