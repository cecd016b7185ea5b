"""SSH: both banners and what both sides offer, with HASSH. One record for each connection.

Formats: RFC 4253 (identification, KEXINIT); HASSH and HASSHServer as published by Salesforce.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text

KEXINIT = 20
NAMES = 10  # name lists of a KEXINIT
LARGEST_PACKET = 35_000 + 256
LONGEST_BANNER = 8192  # lines before the identification are allowed
KEX, HOST_KEY, ENC_C, ENC_S, MAC_C, MAC_S, COMP_C, COMP_S = range(8)


class _Side:
    __slots__ = ("banner", "held", "is_done", "lists")

    def __init__(self) -> None:
        self.held = bytearray()
        self.banner = ""
        self.lists: list[str] = []
        self.is_done = False


class Ssh(Conversation):
    """One connection, until both sides have said what they offer."""

    __slots__ = ("_client", "_server", "_start")
    name = "ssh"

    def __init__(self) -> None:
        super().__init__()
        self._client, self._server, self._start = _Side(), _Side(), 0

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        self._start = self._start or time
        side = self._client if from_client else self._server
        if side.is_done:
            return NOTHING
        side.held += data
        if not side.banner and not self._banner(side):
            return NOTHING
        self._offer(side)
        if self._client.is_done and self._server.is_done:
            said = self.end(time)
            self.done = True
            return said
        return NOTHING

    def _banner(self, side: _Side) -> bool:
        while True:
            line, newline, rest = side.held.partition(b"\n")
            if not newline:
                side.is_done = len(side.held) > LONGEST_BANNER
                return False
            side.held = rest
            if line.startswith(b"SSH-"):
                side.banner = text(bytes(line).rstrip(b"\r"))[:255]
                return True

    def _offer(self, side: _Side) -> None:
        held = side.held
        if len(held) < 6:
            return
        size = int.from_bytes(held[:4], "big")
        if not 2 <= size <= LARGEST_PACKET or held[5] != KEXINIT:
            side.is_done = True
            return
        if len(held) < 4 + size:
            return
        body = bytes(held[6 + 16 : 4 + size - held[4]])
        side.lists, side.is_done = _name_lists(body), True
        side.held = bytearray()

    def end(self, time: int) -> Sequence[Said]:
        """What both sides have said."""
        client, server = self._client, self._server
        if self.done or not (client.banner or server.banner):
            return NOTHING
        self.done = True
        fields: dict[str, Any] = {}
        for name, side in (("client", client), ("server", server)):
            if side.banner:
                _, version, software = (*side.banner.split("-", 2), "", "")[:3]
                fields[f"sensor.ssh.{name}.version"] = version
                software, _, comment = software.partition(" ")
                fields[f"sensor.ssh.{name}.software"] = software
                if comment:
                    fields[f"sensor.ssh.{name}.comment"] = comment
        for name, side, picked in (
            ("hassh", client, (KEX, ENC_C, MAC_C, COMP_C)),
            ("hassh_server", server, (KEX, ENC_S, MAC_S, COMP_S)),
        ):
            if side.lists:
                said = ";".join(side.lists[one] for one in picked)
                mark = md5(said.encode("utf-8"), usedforsecurity=False).hexdigest()
                fields[f"sensor.ssh.{name}"] = mark
                fields[f"sensor.ssh.{name}_algorithms"] = said
        if client.lists and server.lists:
            for name, one in (("key_exchange", KEX), ("host_key", HOST_KEY), ("cipher", ENC_C)):
                if chosen := _chosen(client.lists[one], server.lists[one]):
                    fields[f"sensor.ssh.{name}"] = chosen
        return [("ssh", self._start, fields)]


def _chosen(client: str, server: str) -> str:
    """The client's first name that the server knows (RFC 4253, 7.1)."""
    offered = set(server.split(","))
    return next((one for one in client.split(",") if one in offered), "")


def _name_lists(body: bytes) -> list[str]:
    """The ten lists; none of them if they do not fit."""
    lists, at = [], 0
    for _ in range(NAMES):
        size = int.from_bytes(body[at : at + 4], "big")
        raw = body[at + 4 : at + 4 + size]
        if len(raw) < size or at + 4 > len(body):
            return []
        lists.append(raw.decode("latin-1"))
        at += 4 + size
    return lists
