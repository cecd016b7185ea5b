"""The kernel's audit netlink protocol: linux/audit.h, linux/netlink.h. Linux only."""

from __future__ import annotations

import errno
import os
import platform
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NETLINK_AUDIT = 9
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK = 1, 4
AUDIT_GET, AUDIT_SET = 1000, 1001
AUDIT_ADD_RULE, AUDIT_DEL_RULE, AUDIT_LIST_RULES = 1011, 1012, 1013
GROUP_READLOG = 1
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_NO_ENOBUFS = 270, 1, 5
SO_RCVBUFFORCE = 33

STATUS_ENABLED, STATUS_FAILURE, STATUS_PID, STATUS_BACKLOG, STATUS_WAIT = 1, 2, 4, 16, 32
FILTER_EXIT, ALWAYS = 4, 2
FIELD_ARCH, FIELD_KEY, EQUAL = 11, 210, 0x40000000
ARCHES = {
    "x86_64": ((0xC000003E, (59, 322)), (0x40000003, (11, 358))),  # execve, execveat
    "aarch64": ((0xC00000B7, (221, 281)), (0x40000028, (11, 387))),
}

HEADER = struct.Struct("=IHHII")
STATUS = struct.Struct("=IIIIIIIIII")
RULE_HEAD = struct.Struct("=III")
RULE_BYTES = 12 + 4 * 64 * 4 + 4


@dataclass(frozen=True, slots=True)
class Status:
    """What the kernel says of audit."""

    enabled: int  # 0 off, 1 on, 2 locked until the next boot
    pid: int  # of the audit daemon, 0 for none
    lost: int  # records lost since boot
    backlog_limit: int


class AuditSocket:
    """Requests and messages of one socket.

    Raises:
        OSError: EPERM without CAP_AUDIT_CONTROL, EPROTONOSUPPORT without audit in the kernel.
    """

    def __init__(self, *, multicast: bool = False, buffer_bytes: int = 8 * 1024 * 1024) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer_bytes)
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.bind((0, 0))
        if multicast:
            self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, GROUP_READLOG)
        self._sequence = 0

    def close(self) -> None:
        self.socket.close()

    def status(self) -> Status:
        for kind, content in self.request(AUDIT_GET):
            if kind == AUDIT_GET:
                _, enabled, _, pid, _, limit, lost = struct.unpack_from("=IIIIIII", content)
                return Status(enabled, pid, lost, limit)
        raise OSError(errno.EPROTO, "the kernel did not answer AUDIT_GET")

    def set(
        self, mask: int, *, enabled: int = 0, failure: int = 0, pid: int = 0, backlog: int = 0
    ) -> None:
        content = STATUS.pack(mask, enabled, failure, pid, 0, backlog, 0, 0, 0, 0)
        list(self.request(AUDIT_SET, content))

    def request(self, kind: int, content: bytes = b"") -> Iterator[tuple[int, bytes]]:
        """Send and yield the answers.

        Raises:
            OSError: what the kernel answered.
        """
        self._sequence += 1
        flags = NLM_F_REQUEST | NLM_F_ACK
        size = HEADER.size + len(content)
        self.socket.settimeout(2)
        self.socket.send(HEADER.pack(size, kind, flags, self._sequence, 0) + content)
        is_list, acknowledged = kind == AUDIT_LIST_RULES, False
        while True:
            found = self.receive()
            for answer, sequence, body in found:
                if sequence != self._sequence:
                    continue
                if answer == NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", body)
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    acknowledged = True
                elif answer != NLMSG_DONE:
                    yield answer, body
                if (answer == NLMSG_DONE) if is_list else self._is_complete(kind, answer):
                    return
            if acknowledged and not is_list and kind != AUDIT_GET:
                return

    @staticmethod
    def _is_complete(kind: int, answer: int) -> bool:
        return answer == kind == AUDIT_GET or (answer == NLMSG_ERROR and kind != AUDIT_GET)

    def receive(self) -> list[tuple[int, int, bytes]]:
        """One datagram as (kind, sequence, content) of its messages.

        The length field of audit messages is not to be trusted in old kernels (it leaves out
        the header), so a datagram is taken as one message unless it is an answer to a request.
        """
        datagram = self.socket.recv(64 * 1024)
        size, kind, _, sequence, _ = HEADER.unpack_from(datagram)
        if kind >= 1100:
            return [(kind, sequence, datagram[HEADER.size :])]
        found, position = [], 0
        while position + HEADER.size <= len(datagram):
            size, kind, _, sequence, _ = HEADER.unpack_from(datagram, position)
            found.append((kind, sequence, datagram[position + HEADER.size : position + size]))
            position += max((size + 3) & ~3, HEADER.size)
        return found


def exec_rules(key: str) -> list[bytes]:
    """``-a always,exit -F arch=... -S execve,execveat -k key`` for both word sizes of this machine."""
    return [_rule(arch, calls, key.encode()) for arch, calls in ARCHES.get(platform.machine(), ())]


def _rule(arch: int, calls: tuple[int, ...], key: bytes) -> bytes:
    mask = [0] * 64
    for call in calls:
        mask[call // 32] |= 1 << (call % 32)
    fields = [FIELD_ARCH, FIELD_KEY] + [0] * 62
    values = [arch, len(key)] + [0] * 62
    operators = [EQUAL, EQUAL] + [0] * 62
    return (
        RULE_HEAD.pack(FILTER_EXIT, ALWAYS, 2)
        + struct.pack("=64I64I64I64I", *mask, *fields, *values, *operators)
        + struct.pack("=I", len(key))
        + key
    )


def key_of(rule: bytes) -> str:
    """The key of a rule as AUDIT_LIST_RULES gives it, empty for none."""
    _, _, count = RULE_HEAD.unpack_from(rule)
    fields = struct.unpack_from("=64I", rule, 12 + 256)
    values = struct.unpack_from("=64I", rule, 12 + 512)
    position = RULE_BYTES
    for field, value in list(zip(fields, values, strict=True))[:count]:
        if field == FIELD_KEY:
            return rule[position : position + value].decode("utf-8", "replace")
        if field in (13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 105, 107, 112):  # those with text
            position += value
    return ""
