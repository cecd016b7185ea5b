"""Process starts and log-ins from the kernel's audit, by our own netlink code.

The agent becomes the audit daemon when there is none, else it listens in the multicast group beside the one
that is there. It adds rules for execve and execveat under a key of its own and takes them away when it
stops; rules of a killed agent are taken away by the next. A record is all lines of one serial.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from pathlib import Path

from collectors.agent.inputs import netlink
from collectors.agent.inputs.audit_company import Company
from collectors.agent.inputs.netlink import AuditSocket
from collectors.agent.inputs.proc_connector import ProcConnector
from collectors.agent.intake import Intake

STREAM, SOURCE = "process", "linux_audit"
KEY = "soc-agent-"
CHECK_SECONDS = 5.0
OPEN_SERIAL_SECONDS = 1.0  # a serial without its end is taken as whole after that long
COMPANY_SECONDS = 0.05  # records within that time are kept in one frame
END_OF_EVENT = 1320
TYPE_NAMES = {
    1100: "USER_AUTH", 1101: "USER_ACCT", 1102: "USER_MGMT", 1103: "CRED_ACQ", 1104: "CRED_DISP",
    1105: "USER_START", 1106: "USER_END", 1107: "USER_AVC", 1108: "USER_CHAUTHTOK",
    1109: "USER_ERR", 1110: "CRED_REFR", 1111: "USYS_CONFIG", 1112: "USER_LOGIN",
    1113: "USER_LOGOUT", 1114: "ADD_USER", 1115: "DEL_USER", 1116: "ADD_GROUP",
    1117: "DEL_GROUP", 1118: "DAC_CHECK", 1119: "CHGRP_ID", 1120: "TEST", 1121: "TRUSTED_APP",
    1123: "USER_CMD", 1124: "USER_TTY", 1125: "CHUSER_ID", 1126: "GRP_AUTH",
    1127: "SYSTEM_BOOT", 1128: "SYSTEM_SHUTDOWN", 1129: "SYSTEM_RUNLEVEL",
    1130: "SERVICE_START", 1131: "SERVICE_STOP", 1134: "GRP_CHAUTHTOK",
    1200: "DAEMON_START", 1201: "DAEMON_END", 1202: "DAEMON_ABORT", 1203: "DAEMON_CONFIG",
    1300: "SYSCALL", 1302: "PATH", 1303: "IPC", 1304: "SOCKETCALL", 1305: "CONFIG_CHANGE",
    1306: "SOCKADDR", 1307: "CWD", 1309: "EXECVE", 1311: "IPC_SET_PERM", 1312: "MQ_OPEN",
    1313: "MQ_SENDRECV", 1314: "MQ_NOTIFY", 1315: "MQ_GETSETATTR", 1316: "KERNEL_OTHER",
    1317: "FD_PAIR", 1318: "OBJ_PID", 1319: "TTY", 1320: "EOE", 1321: "BPRM_FCAPS",
    1322: "CAPSET", 1323: "MMAP", 1324: "NETFILTER_PKT", 1325: "NETFILTER_CFG",
    1326: "SECCOMP", 1327: "PROCTITLE", 1328: "FEATURE_CHANGE", 1329: "REPLACE",
    1330: "KERN_MODULE", 1331: "FANOTIFY", 1332: "TIME_INJOFFSET", 1333: "TIME_ADJNTPVAL",
    1334: "BPF", 1335: "EVENT_LISTENER", 1336: "URINGOP", 1337: "OPENAT2", 1400: "AVC",
    1401: "SELINUX_ERR", 1402: "AVC_PATH", 1403: "MAC_POLICY_LOAD", 1404: "MAC_STATUS",
    1700: "ANOM_PROMISCUOUS", 1701: "ANOM_ABEND", 1702: "ANOM_LINK", 1703: "ANOM_CREAT",
}  # fmt: skip


class Gathering:
    """Joins the lines of each serial. Pure: lines and seconds in, whole records out."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[float, list[bytes]]] = {}

    def take(self, kind: int, content: bytes, seconds: float) -> bytes | None:
        """One message; the whole record if this was its last line.

        Args:
            seconds: any clock that only goes forward.
        """
        content = content.rstrip(b"\0\n ")
        name, _, _ = content.partition(b"): ")
        if kind == END_OF_EVENT:
            done = self._open.pop(name.removesuffix(b"):"), None)
            return b"\n".join(done[1]) if done else None
        label = TYPE_NAMES.get(kind, f"UNKNOWN[{kind}]").encode()
        line = b"type=%s msg=%s" % (label, content)
        if 1300 <= kind < 1400 or name in self._open:
            self._open.setdefault(name, (seconds, []))[1].append(line)
            return None
        return line

    def overdue(self, seconds: float) -> list[bytes]:
        """Records whose end has not come in time."""
        late = [
            name
            for name, (since, _) in self._open.items()
            if seconds - since >= OPEN_SERIAL_SECONDS
        ]
        return [b"\n".join(self._open.pop(name)[1]) for name in late]


class Audit:
    """Process starts by audit, or by the proc connector where audit is not to be had."""

    name = "process"

    def __init__(self) -> None:
        self.key = f"{KEY}{os.getpid()}"
        self.is_daemon = False  # whether the kernel sends to us first
        self._was_enabled = 1
        self._lost = 0
        self._company = Company()

    def run(self, intake: Intake, stop: threading.Event) -> None:
        if not sys.platform.startswith("linux"):
            intake.notices.blind(self.name, "process starts are read from Linux audit only")
            return
        while not stop.is_set():
            try:
                control, listener = self._open()
            except OSError as error:
                reason = f"no audit ({error.strerror}; it needs root)"
                intake.notices.blind(self.name, f"{reason}, trying the proc connector")
                ProcConnector().run(intake, stop)
                return
            intake.notices.sees_again(self.name)
            try:
                self._listen(control, listener, intake, stop)
            finally:
                self._end(control)
                listener.close()
                control.close()

    def _open(self) -> tuple[AuditSocket, AuditSocket]:
        control = AuditSocket()
        try:
            return control, self._begin(control)
        except OSError:
            control.close()
            raise

    def _begin(self, control: AuditSocket) -> AuditSocket:
        """Enable audit, add our rules, and open the socket that hears the records."""
        status = control.status()
        self._was_enabled, self._lost = status.enabled, status.lost
        if status.enabled == 0:
            control.set(netlink.STATUS_ENABLED, enabled=1)
        if status.backlog_limit < 8192:
            control.set(netlink.STATUS_BACKLOG, backlog=8192)
        listener = self._listener(control, status.pid)
        try:
            self._renew_rules(control)
        except OSError:
            listener.close()
            raise
        return listener

    def _listener(self, control: AuditSocket, daemon: int) -> AuditSocket:
        if not daemon:
            listener = AuditSocket()
            try:
                listener.set(netlink.STATUS_PID, pid=os.getpid())
                self.is_daemon = True
                return listener
            except OSError as error:
                listener.close()
                if error.errno not in (errno.EEXIST, errno.EPERM, errno.EACCES):
                    raise
        self.is_daemon = False
        return AuditSocket(multicast=True)

    def _renew_rules(self, control: AuditSocket) -> None:
        """Our rules in, those of agents that are no more out."""
        for kind, rule in list(control.request(netlink.AUDIT_LIST_RULES)):
            key = netlink.key_of(rule) if kind == netlink.AUDIT_LIST_RULES else ""
            if key.startswith(KEY) and not _is_running(key.removeprefix(KEY)):
                with contextlib.suppress(FileNotFoundError):
                    list(control.request(netlink.AUDIT_DEL_RULE, rule))
        for rule in netlink.exec_rules(self.key):
            with contextlib.suppress(FileExistsError):
                list(control.request(netlink.AUDIT_ADD_RULE, rule))

    def _listen(
        self, control: AuditSocket, listener: AuditSocket, intake: Intake, stop: threading.Event
    ) -> None:
        gathering, checked = Gathering(), time.monotonic()
        listener.socket.settimeout(0.25)
        while not stop.is_set():
            records = self._hear(listener, gathering, intake)
            seconds = time.monotonic()
            records += gathering.overdue(seconds)
            if records:
                intake.put(STREAM, SOURCE, records)
            if seconds - checked >= CHECK_SECONDS:
                checked = seconds
                if self._check(control, intake):
                    return  # started again, in the other role

    def _hear(self, listener: AuditSocket, gathering: Gathering, intake: Intake) -> list[bytes]:
        """The records made whole by what comes within a moment of the first, at most 256."""
        records: list[bytes] = []
        until = float("inf")
        try:
            while len(records) < 256 and (seconds := time.monotonic()) < until:
                for kind, _, content in listener.receive():
                    if kind >= 1100 and (record := gathering.take(kind, content, seconds)):
                        records.append(self._company.complete(record))
                if until == float("inf"):
                    until = time.monotonic() + COMPANY_SECONDS
                    listener.socket.settimeout(COMPANY_SECONDS)
        except TimeoutError:
            pass
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            intake.notices.tell(
                "kernel_lost",
                "audit records were lost: they came faster than they were read",
                input=self.name,
                lost=None,
            )
        listener.socket.settimeout(0.25)
        return records

    def _check(self, control: AuditSocket, intake: Intake) -> bool:
        """Report what the kernel lost, put back what somebody took; True to start again."""
        status = control.status()
        if status.lost > self._lost:
            lost, self._lost = status.lost - self._lost, status.lost
            message = f"the kernel lost {lost} audit records before they could be read"
            intake.notices.tell("kernel_lost", message, input=self.name, lost=lost)
        if status.enabled == 0:
            control.set(netlink.STATUS_ENABLED, enabled=1)
        self._renew_rules(control)
        return status.pid != os.getpid() if self.is_daemon else status.pid == 0

    def _end(self, control: AuditSocket) -> None:
        """Leave audit as it was found."""
        for rule in netlink.exec_rules(self.key):
            with contextlib.suppress(OSError):
                list(control.request(netlink.AUDIT_DEL_RULE, rule))
        if self.is_daemon:
            with contextlib.suppress(OSError):
                control.set(netlink.STATUS_PID, pid=0)
            if self._was_enabled == 0:
                with contextlib.suppress(OSError):
                    control.set(netlink.STATUS_ENABLED, enabled=0)


def _is_running(process_id: str) -> bool:
    return Path("/proc", process_id, "stat").exists()
