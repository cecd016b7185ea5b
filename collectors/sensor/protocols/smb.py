"""SMB 1-3: the dialect, who logs on, which shares and files are opened, and the calls over named pipes.

Formats: [MS-SMB2], [MS-CIFS], RFC 1002 (framing). SMB 3 encrypts after the log-on; then nothing more is seen.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text
from collectors.sensor.protocols import dcerpc, ntlmssp
from collectors.sensor.protocols.ntlmssp import wide_text

SMB1, SMB2, ENCRYPTED, COMPRESSED = b"\xffSMB", b"\xfeSMB", b"\xfdSMB", b"\xfcSMB"
STARTS = frozenset({SMB1, SMB2, ENCRYPTED, COMPRESSED})
NEGOTIATE, SESSION_SETUP, TREE_CONNECT, CREATE, WRITE, IOCTL = 0, 1, 3, 5, 9, 11
ACTIONS = {NEGOTIATE: "negotiate", SESSION_SETUP: "session_setup", TREE_CONNECT: "tree_connect"}
ACTIONS |= {CREATE: "create"}
OLD_ACTIONS = {0x72: "negotiate", 0x73: "session_setup", 0x75: "tree_connect", 0xA2: "create"}
DIALECTS = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"}
DIALECTS |= {0x02FF: "2.???"}
STATUSES = {
    0: "STATUS_SUCCESS", 0xC0000016: "STATUS_MORE_PROCESSING_REQUIRED",
    0xC000006D: "STATUS_LOGON_FAILURE", 0xC0000022: "STATUS_ACCESS_DENIED",
    0xC0000034: "STATUS_OBJECT_NAME_NOT_FOUND", 0xC00000CC: "STATUS_BAD_NETWORK_NAME",
    0xC0000234: "STATUS_ACCOUNT_LOCKED_OUT", 0xC000006E: "STATUS_ACCOUNT_RESTRICTION",
    0xC0000071: "STATUS_PASSWORD_EXPIRED", 0xC0000072: "STATUS_ACCOUNT_DISABLED",
}  # fmt: skip
MORE_PROCESSING = 0xC0000016
RESPONSE_FLAG = 1
LARGEST_HELD = 1 << 17
MOST_WAITING, MOST_IN_CHAIN = 64, 32


class _Side:
    __slots__ = ("held", "skip")

    def __init__(self) -> None:
        self.held = bytearray()
        self.skip = 0


class Smb(Conversation):
    """One connection; ``port`` 139 begins with a NetBIOS session request."""

    __slots__ = ("_client", "_names", "_pipe", "_server", "_waiting")
    name = "smb"

    def __init__(self) -> None:
        super().__init__()
        self._client, self._server = _Side(), _Side()
        self._waiting: dict[int, tuple[int, dict[str, Any]]] = {}
        self._names: dict[str, Any] = {}  # who logged on
        self._pipe = dcerpc.Pipe()

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        side = self._client if from_client else self._server
        if side.skip >= len(data):
            side.skip -= len(data)
            return NOTHING
        held = side.held
        said: list[Said] = []
        held += data[side.skip :]
        side.skip = 0
        while len(held) >= 4 and not self.done:
            size = 4 + int.from_bytes(held[1:4], "big")
            is_message = held[0] == 0
            wanted = min(size, LARGEST_HELD)
            if len(held) < wanted:
                break
            message = bytes(held[4:wanted])
            taken = min(size, len(held))
            del held[:taken]
            side.skip = size - taken
            if is_message and message:
                self._message(from_client, message, time, said)
            if side.skip:
                break
        return said

    def _message(self, from_client: bool, data: bytes, time: int, said: list[Said]) -> None:
        start = data[:4]
        try:
            if start == SMB2:
                self._chain(from_client, data, time, said)
            elif start == SMB1:
                self._old(from_client, data, time, said)
            elif start == ENCRYPTED:
                said += self.end(time)
                self.done = True
            elif start != COMPRESSED:
                self.done = True
        except (struct.error, IndexError):
            return

    def _chain(self, from_client: bool, data: bytes, time: int, said: list[Said]) -> None:
        """Requests may be compounded; the header says where the next one begins."""
        for _ in range(MOST_IN_CHAIN):
            status, command, _, flags, following, number = struct.unpack_from("<IHHIIQ", data, 8)
            if len(data) < 64:
                return
            body = data[64:following] if following else data[64:]
            if flags & RESPONSE_FLAG:
                self._response(command, number, status, data, body, said)
            else:
                self._request(command, number, data, body, time, said)
            if not 64 <= following < len(data):
                return
            data = data[following:]

    def _request(
        self, command: int, number: int, data: bytes, body: bytes, time: int, said: list[Said]
    ) -> None:
        if command in (WRITE, IOCTL):
            blob = data[112:] if command == WRITE else data[120:]
            found = self._pipe.message(blob)
            if found is not None:
                said.append(("dcerpc", time, found | {"network.protocol": "dcerpc"} | self._names))
            return
        action = ACTIONS.get(command)
        if action is None:
            return
        fields: dict[str, Any] = {"event.action": action, "sensor.smb.version": "2"}
        if command == SESSION_SETUP:
            fields |= ntlmssp.read(body)
        elif command == TREE_CONNECT:
            fields["sensor.smb.share"] = _wide(data, body, 4)
        elif command == CREATE:
            fields["file.path"] = _wide(data, body, 44)
        if len(self._waiting) < MOST_WAITING:
            self._waiting[number] = (time, fields)

    def _response(
        self, command: int, number: int, status: int, data: bytes, body: bytes, said: list[Said]
    ) -> None:
        if number not in self._waiting or command not in ACTIONS:
            return
        since, fields = self._waiting.pop(number)
        if command == NEGOTIATE:
            (dialect,) = struct.unpack_from("<H", body, 4)
            fields["sensor.smb.dialect"] = DIALECTS.get(dialect) or f"0x{dialect:04x}"
            fields["sensor.smb.is_signing_required"] = bool(body[2] & 2)
        elif command == SESSION_SETUP:
            if status == MORE_PROCESSING:
                self._names |= ntlmssp.read(body)
                return
            fields = self._names | fields
            if not status:
                self._names = {name: fields[name] for name in fields if name.startswith("user.")}
        else:
            fields = self._names | fields
        said.append(("smb", since, _with_status(fields, status)))

    def _old(self, from_client: bool, data: bytes, time: int, said: list[Said]) -> None:
        command, status, flags = struct.unpack_from("<BIB", data, 4)
        (number,) = struct.unpack_from("<H", data, 30)
        action = OLD_ACTIONS.get(command)
        if action is None:
            return
        key = 1 << 64 | number
        if not flags & 0x80:
            fields: dict[str, Any] = {"event.action": action, "sensor.smb.version": "1"}
            body = data[32:]
            if command == 0x72:
                offered = [text(one.rstrip(b"\0")) for one in body[3:].split(b"\x02")[1:20]]
                fields["sensor.smb.offered_dialects"] = offered
            elif command == 0x73:
                fields |= ntlmssp.read(body)
            elif command == 0x75:
                fields["sensor.smb.share"] = _old_share(data)
            if len(self._waiting) < MOST_WAITING:
                self._waiting[key] = (time, fields)
        elif key in self._waiting:
            since, fields = self._waiting.pop(key)
            if status != MORE_PROCESSING:
                if command == 0x72 and len(data) >= 35:
                    chosen = data[33] | data[34] << 8
                    listed = fields["sensor.smb.offered_dialects"]
                    if chosen < len(listed):
                        fields["sensor.smb.dialect"] = listed[chosen]
                said.append(("smb", since, _with_status(fields, status)))

    def end(self, time: int) -> Sequence[Said]:
        """Requests without an answer."""
        said = [("smb", since, fields) for since, fields in self._waiting.values()]
        self._waiting = {}
        return said


def _with_status(fields: dict[str, Any], status: int) -> dict[str, Any]:
    fields["sensor.smb.status"] = STATUSES.get(status) or f"0x{status:08x}"
    fields["event.outcome"] = "failure" if status & 0xC0000000 == 0xC0000000 else "success"
    return {name: value for name, value in fields.items() if value != ""}


def _wide(data: bytes, body: bytes, at: int) -> str:
    """A name that stands at an offset of the whole message."""
    offset, size = struct.unpack_from("<HH", body, at)
    return wide_text(data[offset : offset + min(size, 1024)])


def _old_share(data: bytes) -> str:
    """The path of a Tree Connect AndX: behind the password, in UTF-16 or ASCII."""
    words = data[32]
    password = struct.unpack_from("<H", data, 33 + 6)[0] if words >= 4 else 0
    at = 33 + 2 * words + 2 + password
    if data[11] & 0x80:  # flags2: Unicode
        at += at & 1
        end = at
        while end + 1 < len(data) and data[end : end + 2] != b"\0\0":
            end += 2
        return wide_text(data[at:end])
    return text(data[at:].split(b"\0", 1)[0])
