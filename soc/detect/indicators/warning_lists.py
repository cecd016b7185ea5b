"""Values that are no warning by themselves: public resolvers, large services, sinkholes, addresses of nobody.

The lists are those of MISP (https://github.com/MISP/misp-warninglists, CC0): one folder each, with ``list.json``. The
operator puts them into the folder of the setting ``warning_lists``; a short list of public resolvers is always there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import msgspec

from soc.detect.indicators.networks import Networks
from soc.errors import SettingsError
from soc.model.indicator import Kind

PUBLIC_RESOLVERS = (
    "1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "149.112.112.112", "208.67.222.222", "208.67.220.220",
    "2606:4700:4700::1111", "2606:4700:4700::1001", "2001:4860:4860::8888", "2001:4860:4860::8844", "2620:fe::fe",
    "2620:fe::9", "2620:119:35::35", "2620:119:53::53",
)  # fmt: skip
LONGEST_FILE = 64 * 2**20  # bytes
OURS = frozenset(
    {"ip-src", "ip-dst", "domain|ip", "domain", "hostname", "url", "md5", "sha1", "sha256"}
    | {"email-src", "email-dst"}
)
"""MISP's attribute types that are indicators here; a list of others (telephone numbers) is passed over."""
HARMLESS = (
    "public-dns-*", "empty-hashes", "rfc*", "multicast", "ipv6-linklocal", "crl-*", "whats-my-ip", "captive-portals",
    "microsoft-win10-connection-endpoints", "*top*", "tlds", "common-contact-emails", "eicar.com",
)  # fmt: skip
"""Folders of lists whose values never alert by themselves. The others (cloud ranges, scanners) are only named beside
the alert: a server in a cloud can well be an attacker's."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that holds a value; ``harmless``: an alert on it alone would be wrong."""

    name: str
    harmless: bool


class _ListFile(msgspec.Struct):
    name: str
    type: str  # string substring hostname cidr regex
    values: Annotated[list[str], msgspec.Meta(max_length=5_000_000)] = msgspec.field(name="list")
    matching_attributes: list[str] = []


_read = msgspec.json.Decoder(_ListFile).decode


class WarningLists:
    """Asked only of values that an indicator names, so it need not be quick."""

    def __init__(self) -> None:
        self._networks: Networks[Listed] = Networks()
        self._exact: dict[str, Listed] = {}
        self._hosts: dict[str, Listed] = {}
        self._parts: list[tuple[str, Listed]] = []
        self._expressions: list[tuple[re.Pattern[str], Listed]] = []
        self._take(Listed("public DNS resolvers", harmless=True), "cidr", PUBLIC_RESOLVERS)

    @classmethod
    def load(cls, folder: Path | None) -> WarningLists:
        """Every ``*/list.json`` of the folder.

        Raises:
            SettingsError: the folder is missing, or a file in it is no warning list.
        """
        lists = cls()
        if folder is None:
            return lists
        if not folder.is_dir():
            raise SettingsError(f"the folder of warning lists is not there: {folder}")
        for path in sorted(folder.glob("*/list.json")):
            lists._load(path)
        return lists

    def _load(self, path: Path) -> None:
        try:
            if path.stat().st_size > LONGEST_FILE:
                raise ValueError(f"over {LONGEST_FILE} bytes")
            read = _read(path.read_bytes())
            if OURS.isdisjoint(read.matching_attributes):
                return
            harmless = any(fnmatch(path.parent.name, wanted) for wanted in HARMLESS)
            self._take(Listed(read.name, harmless), read.type, read.values)
        except (OSError, ValueError, re.error, msgspec.MsgspecError) as error:
            hint = "take it out, or fetch the list again"
            raise SettingsError(f"{path}: not a warning list: {error}; {hint}") from error

    def _take(self, listed: Listed, kind: str, values: Iterable[str]) -> None:
        for value in values:
            small = value.lower()
            match kind:
                case "cidr":
                    self._networks.put(value, listed)
                case "hostname":
                    _first(self._hosts, small.strip("."), listed)
                case "string":
                    _first(self._exact, small, listed)
                case "substring":
                    self._parts.append((small, listed))
                case "regex":
                    self._expressions.append((_expression(value), listed))
                case _:
                    raise ValueError(f"the type {kind!r} is none of MISP's")

    def listed(self, kind: Kind, value: str) -> Listed | None:
        """The list that holds an indicator's value, or an address found for it; a harmless one outweighs."""
        found = [*self._of_address(value)] if kind in (Kind.IP, Kind.NETWORK) else []
        if kind in (Kind.DOMAIN, Kind.URL, Kind.EMAIL):
            found += self._of_text(kind, value)
        if value.lower() in self._exact:
            found.append(self._exact[value.lower()])
        return next((one for one in found if one.harmless), found[0] if found else None)

    def _of_address(self, value: str) -> Iterator[Listed]:
        network = ipaddress.ip_network(value)
        if not network.is_global:
            yield SPECIAL
        yield from self._networks.of(str(network.network_address))

    def _of_text(self, kind: Kind, value: str) -> Iterator[Listed]:
        if kind is Kind.DOMAIN:
            labels = value.split(".")
            for start in range(len(labels) - 1):
                if (listed := self._hosts.get(".".join(labels[start:]))) is not None:
                    yield listed
        yield from (listed for part, listed in self._parts if part in value.lower())
        yield from (listed for wanted, listed in self._expressions if wanted.search(value))


SPECIAL = Listed("addresses of no public network (IANA special purpose)", harmless=True)


def _first(table: dict[str, Listed], value: str, listed: Listed) -> None:
    """A harmless list is not hidden by another one."""
    if value not in table or listed.harmless:
        table[value] = listed


def _expression(text: str) -> re.Pattern[str]:
    """MISP writes them as PHP does: ``/text/flags``."""
    if found := re.fullmatch(r"/(.*)/[a-z]*", text, re.DOTALL):
        text = found[1]
    return re.compile(text, re.IGNORECASE)
