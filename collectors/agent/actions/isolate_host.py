"""Isolate the host: nftables lets the platform through and nothing else, until the kernel itself forgets it.

The rules of the table drop only while the set ``cut`` has an element, and its elements carry a ``timeout``: the
kernel removes them when the time is over, whether an agent lives or not (nft(8), "Sets", flag timeout). The
whole table goes in by one transaction, so a kill leaves either all of it or nothing. A restart of the machine
lifts the isolation, since nothing is written to its configuration. ARP and neighbour discovery pass, DNS does
not: the agent finds the platform by the addresses kept in ``platform.json`` of its home (see link.py).
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import socket
import subprocess
from typing import Any

import psutil

from collectors.agent.actions.contract import (
    DONE,
    UNCHANGED,
    ActionRefused,
    Outcome,
    Work,
    only,
    whole_of,
)
from collectors.agent.link import ADDRESSES_FILE
from collectors.agent.segments import write_durably

TABLE = "soc_isolation"
LEAST_SECONDS, MOST_SECONDS = 1, 7 * 86_400
NFT_SECONDS = 10.0


class IsolateHost:
    """Parameters: ``seconds``, how long."""

    name, timeout_seconds, is_measure = "isolate_host", 30.0, True

    def dry_run(self, work: Work) -> Outcome:
        text = self._rules(work, seconds := self._seconds(work), addresses_of(work.platform))
        _nft(["--check", "--file", "-"], text)
        return Outcome(DONE, found={"seconds": seconds, "rules": text})

    def run(self, work: Work) -> Outcome:
        seconds, addresses = self._seconds(work), addresses_of(work.platform)
        text = self._rules(work, seconds, addresses)
        replaced = _holder()
        work.note("isolation", {"seconds": seconds, "addresses": addresses, "replaced": replaced})
        home = work.folder.parent.parent
        facts = {"host": work.platform[0], "addresses": addresses}
        write_durably(home / ADDRESSES_FILE, json.dumps(facts).encode())
        work.step("before nft")
        _nft(["--file", "-"], text)
        work.step("after nft")
        if _holder() != work.command_id:
            raise RuntimeError("nft accepted the isolation and the kernel does not show it")
        return Outcome(
            DONE, found={"seconds": seconds, "reachable": addresses, "replaced": replaced}
        )

    def undo(self, work: Work) -> Outcome:
        holder = _holder()
        if holder != _measure(work):
            said = f"held by {holder} now" if holder else "it had ended before"
            return Outcome(DONE, said, {"was_in_force": False})
        work.step("before nft")
        _nft(["--file", "-"], f"delete table inet {TABLE}\n")
        work.step("after nft")
        return Outcome(DONE, found={"was_in_force": True})

    def after_kill(self, work: Work, verb: str) -> Outcome:
        holds = self.is_in_force(work)
        if verb == "undo":
            return Outcome(UNCHANGED if holds else DONE, "the agent was killed during the release")
        return Outcome(
            DONE if holds else UNCHANGED,
            "the agent was killed during the isolation",
            {"is_in_force": holds},
        )

    def is_in_force(self, work: Work) -> bool:
        return _holder() == _measure(work)

    def _seconds(self, work: Work) -> int:
        only(work, "seconds")
        return whole_of(work, "seconds", LEAST_SECONDS, MOST_SECONDS)

    def _rules(self, work: Work, seconds: int, addresses: list[str]) -> str:
        """The transaction; it replaces an isolation that is there already.

        Names are made here, and addresses come from ``ipaddress``: nothing outside reaches nft's syntax unread.
        """
        port = int(work.platform[1])
        pairs = {4: "", 6: ""}
        for address in map(ipaddress.ip_address, addresses):
            pairs[address.version] += f"{',' if pairs[address.version] else ''}{address} . {port}"
        four, six = (f"elements = {{ {pairs[one]} }}" if pairs[one] else "" for one in (4, 6))
        mark = f'timeout {seconds}s comment "{_safe(work.command_id)}"'
        return f"""
add table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
  set cut {{ typeof meta nfproto; flags timeout; elements = {{ ipv4 {mark}, ipv6 {mark} }} }}
  set platform4 {{ type ipv4_addr . inet_service; {four} }}
  set platform6 {{ type ipv6_addr . inet_service; {six} }}
  chain input {{
    type filter hook input priority -190; policy accept;
    iif lo accept
    ip saddr . tcp sport @platform4 accept
    ip6 saddr . tcp sport @platform6 accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert }} accept
    meta nfproto @cut drop
  }}
  chain output {{
    type filter hook output priority -190; policy accept;
    oif lo accept
    ip daddr . tcp dport @platform4 accept
    ip6 daddr . tcp dport @platform6 accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit }} accept
    meta nfproto @cut drop
  }}
  chain forward {{
    type filter hook forward priority -190; policy accept;
    meta nfproto @cut drop
  }}
}}
"""


def addresses_of(platform: tuple[str, int]) -> list[str]:
    """Every address of the platform, IPv4 and IPv6.

    Raises:
        ActionRefused: the name is not resolved: an isolation would cut the platform off too.
    """
    try:
        found = socket.getaddrinfo(*platform, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ActionRefused(
            f"the platform {platform[0]} is not resolved ({error}); an isolation would cut it off as well"
        ) from error
    addresses = sorted({str(one[4][0]).partition("%")[0] for one in found})
    own = {one.address for each in psutil.net_if_addrs().values() for one in each}
    if shared := own.intersection(addresses) or {
        one for one in addresses if ipaddress.ip_address(one).is_loopback
    }:
        raise ActionRefused(f"the platform runs on this machine ({', '.join(sorted(shared))})")
    return addresses


def _measure(work: Work) -> str:
    return work.folder.name


def _safe(command_id: str) -> str:
    if not command_id.replace("-", "").isalnum() or len(command_id) > 60:
        raise ActionRefused(f"command id {command_id!r} cannot be written to nftables")
    return command_id


def _holder() -> str:
    """The command whose isolation is in force; empty where there is none."""
    program = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        return ""
    asked = subprocess.run(
        [program, "--json", "list", "set", "inet", TABLE, "cut"],
        capture_output=True,
        timeout=NFT_SECONDS,
    )
    if asked.returncode != 0:
        if b"No such file" in asked.stderr:
            return ""
        raise ActionRefused(f"nft: {asked.stderr.decode(errors='replace').strip()[:300]}")
    for item in json.loads(asked.stdout)["nftables"]:
        for element in item.get("set", {}).get("elem", []):
            facts: dict[str, Any] = element.get("elem", {})
            return str(facts.get("comment", ""))
    return ""


def _nft(arguments: list[str], text: str) -> None:
    program = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        raise ActionRefused("there is no nft program; install nftables")
    done = subprocess.run(
        [program, *arguments], input=text.encode(), capture_output=True, timeout=NFT_SECONDS
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[:300]
        raise ActionRefused(f"nft refused ({said}); it needs root or CAP_NET_ADMIN")
