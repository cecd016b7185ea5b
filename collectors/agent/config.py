"""``agent.yaml`` in the agent's home: inputs, limits, where the platform is. All may be left out.

```yaml
platform: https://soc.example:8601   # else the one of the enrolment
ca: /etc/soc/ca.pem                  # else ca.pem in the home
host: web-1                          # else the host name
zone: Asia/Ho_Chi_Minh               # else the machine's
inputs:
  - auto                             # audit, journal and the system's log files
  - audit                            # process starts and log-ins
  - {kind: journal, directory: /var/log/journal}
  - {kind: file, paths: [/var/log/app/*.log], source: auto, from: start}
  - {kind: evtx, paths: [/import/**/*.evtx]}
  - {kind: syslog, udp: "0.0.0.0:514", tcp: "0.0.0.0:514", relp: "0.0.0.0:2514"}
  - {kind: syslog, tls: "0.0.0.0:6514", relp_tls: "0.0.0.0:2515", source: auto,
     certificate: /etc/soc/relay.pem, key: /etc/soc/relay.key, client_ca: /etc/soc/devices-ca.pem}
  - {kind: sensor, interface: eth1}  # packets; needs root or CAP_NET_RAW
  - {kind: drop_folder, paths: [/srv/edr/*.csv], mapping: eset}  # exports of a central EDR server; docs/edr-feed.md
  - {kind: http_poll, url: "https://edr.example/api/machines", token_file: /etc/soc/edr.token, ca: /etc/soc/edr-ca.pem,
     every_seconds: 300, items: value, next: "@odata.nextLink", since_parameter: since, since_field: updatedAt}
  - {kind: flow_export, udp: "0.0.0.0:2055", exporters: [10.0.0.0/8]}  # exporters may be left out
exclude: [/var/lib/soc]              # patterns and folders that file inputs leave alone
limits: {memory_mb: 160, cpu_percent: 25, spool_mb: 512}
commands: {poll_seconds: 30}         # how often the platform is asked for response commands
```
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from collectors.agent.errors import ConfigError
from collectors.agent.inputs.audit import Audit
from collectors.agent.inputs.contract import Input
from collectors.agent.inputs.drop_folder import DropFolder
from collectors.agent.inputs.evtx_files import EvtxFiles
from collectors.agent.inputs.file_tail import FileTail
from collectors.agent.inputs.flow_export import FlowExport, Network
from collectors.agent.inputs.http_poll import HttpPoll, Poll
from collectors.agent.inputs.journal import Journal
from collectors.agent.inputs.sensor import PacketSensor
from collectors.agent.inputs.syslog import Syslog

MEBIBYTE = 1024 * 1024
SYSTEM_LOGS = ("/var/log/auth.log", "/var/log/secure", "/var/log/syslog", "/var/log/messages")
KEYS = {"platform", "ca", "host", "zone", "inputs", "exclude", "limits", "commands"}
LIMIT_KEYS = {"memory_mb", "cpu_percent", "spool_mb"}
INPUT_KEYS = {
    "auto": set(),
    "audit": set(),
    "journal": {"directory"},
    "file": {"paths", "source", "from"},
    "evtx": {"paths"},
    "sensor": {"interface"},
    "syslog": {
        "udp",
        "tcp",
        "tls",
        "relp",
        "relp_tls",
        "source",
        "certificate",
        "key",
        "client_ca",
    },
    "flow_export": {"udp", "exporters"},
    "drop_folder": {"paths", "mapping"},
    "http_poll": {
        "url",
        "token_file",
        "ca",
        "every_seconds",
        "items",
        "next",
        "next_parameter",
        "since_parameter",
        "since_field",
        "mapping",
    },
}


@dataclass(frozen=True, slots=True)
class Limits:
    memory_bytes: int = 160 * MEBIBYTE  # resident
    cpu_percent: float = 25.0  # of one core, over ten seconds; durable inputs are slowed above it
    spool_bytes: int = 512 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Config:
    platform: str | None = None  # else the one of the enrolment
    ca: Path | None = None  # else ca.pem in the home
    host: str = ""
    zone: str = ""
    inputs: Sequence[Mapping[str, Any]] = ({"kind": "auto"},)
    exclude: Sequence[str] = ()  # patterns and folders that the file inputs leave alone
    limits: Limits = field(default_factory=Limits)
    poll_seconds: int = 30


def load_config(home: Path) -> Config:
    """Read ``agent.yaml``; the defaults where there is none.

    Raises:
        ConfigError: naming the file and the key.
    """
    path = home / "agent.yaml"
    try:
        content = path.read_bytes() if path.exists() else b""
        # The door that the ban names is in soc, of which the agent knows nothing.
        facts = yaml.load(content, Loader=yaml.CSafeLoader)  # noqa: TID251
    except (yaml.YAMLError, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        return config_from(facts or {}, home)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def config_from(facts: Any, home: Path) -> Config:
    """The config that a mapping says; the home itself is always excluded from file inputs."""
    _check_keys(facts, KEYS, "agent.yaml")
    limits = facts.get("limits") or {}
    _check_keys(limits, LIMIT_KEYS, "limits")
    commands = facts.get("commands") or {}
    _check_keys(commands, {"poll_seconds"}, "commands")
    entries = [
        {"kind": one} if isinstance(one, str) else one for one in facts.get("inputs", ["auto"])
    ]
    exclude = [str(one) for one in facts.get("exclude", [])]
    config = Config(
        platform=facts.get("platform"),
        ca=Path(facts["ca"]) if facts.get("ca") else None,
        host=str(facts.get("host") or socket.gethostname()),
        zone=str(facts.get("zone") or local_zone()),
        inputs=entries,
        exclude=[*exclude, str(home.absolute())],
        limits=Limits(
            memory_bytes=_number(limits, "memory_mb", 160) * MEBIBYTE,
            cpu_percent=_number(limits, "cpu_percent", 25),
            spool_bytes=_number(limits, "spool_mb", 512) * MEBIBYTE,
        ),
        poll_seconds=_number(commands, "poll_seconds", 30, place="commands"),
    )
    inputs_of(config)
    return config


def inputs_of(config: Config) -> list[Input]:
    """The inputs that the config names.

    Raises:
        ConfigError: an unknown kind or key, or a wrong value.
    """
    made: list[Input] = []
    for entry in config.inputs:
        kind = entry.get("kind") if isinstance(entry, Mapping) else None
        if kind not in INPUT_KEYS:
            raise ConfigError(f"inputs: {entry!r}: kind must be one of {', '.join(INPUT_KEYS)}")
        _check_keys(entry, INPUT_KEYS[kind] | {"kind"}, f"inputs: {kind}")
        made += _made(kind, entry, config)
    return made


def _made(kind: str, entry: Mapping[str, Any], config: Config) -> list[Input]:
    if kind == "auto":
        logs = FileTail(SYSTEM_LOGS, source="syslog", start="end", exclude=config.exclude)
        return [Audit(), Journal(), logs]
    if kind == "audit":
        return [Audit()]
    if kind == "journal":
        folder = entry.get("directory")
        return [Journal((f"--directory={folder}",) if folder else ())]
    if kind == "evtx":
        return [EvtxFiles(_paths(entry))]
    if kind == "sensor":
        interface = entry.get("interface")
        if not isinstance(interface, str) or not interface:
            raise ConfigError("inputs: sensor: name the interface to watch")
        return [PacketSensor(interface)]
    if kind == "syslog":
        return _syslog(entry)
    if kind == "flow_export":
        udp = _address(entry, "udp")
        if udp is None:
            raise ConfigError("inputs: flow_export: udp is missing, e.g. 0.0.0.0:2055")
        return [FlowExport(udp, exporters=_networks(entry))]
    if kind == "drop_folder":
        return [DropFolder(_paths(entry), mapping=_mapping(entry))]
    if kind == "http_poll":
        return [HttpPoll(_poll(entry))]
    start = entry.get("from", "start")
    if start not in ("start", "end"):
        raise ConfigError(f"inputs: file: from must be start or end, not {start!r}")
    source = str(entry.get("source", "auto"))
    return [FileTail(_paths(entry), source=source, start=start, exclude=config.exclude)]


def _mapping(entry: Mapping[str, Any]) -> str:
    """The mapping file that a feed is read by; empty: its columns tell it."""
    name = entry.get("mapping", "")
    if not isinstance(name, str) or "/" in name:
        raise ConfigError(
            f"inputs: {entry['kind']}: mapping must be a mapping's name, not {name!r}"
        )
    return name


def _poll(entry: Mapping[str, Any]) -> Poll:
    url = str(entry.get("url", ""))
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ConfigError(f"inputs: http_poll: url must be https://..., not {url!r}")
    for key in ("token_file", "ca"):
        if key in entry and not Path(str(entry[key])).is_file():
            raise ConfigError(f"inputs: http_poll: {key}: there is no file {entry[key]}")
    if bool(entry.get("since_parameter")) is not bool(entry.get("since_field")):
        raise ConfigError("inputs: http_poll: since_parameter and since_field go together")
    texts = ("items", "next", "next_parameter", "since_parameter", "since_field")
    return Poll(
        url=url,
        token_file=Path(str(entry["token_file"])) if "token_file" in entry else None,
        ca=Path(str(entry["ca"])) if "ca" in entry else None,
        every_seconds=_number(entry, "every_seconds", 300, place="inputs: http_poll"),
        mapping=_mapping(entry),
        **{key: str(entry[key]) for key in texts if key in entry},
    )


def _syslog(entry: Mapping[str, Any]) -> list[Input]:
    source = str(entry.get("source", "auto"))
    udp, tcp = _address(entry, "udp"), _address(entry, "tcp")
    made: list[Input] = [Syslog(udp=udp, tcp=tcp, source=source)] if udp or tcp else []
    made += [
        _syslog_stream(kind, address, source, entry)
        for kind in ("tls", "relp", "relp_tls")
        if (address := _address(entry, kind))
    ]
    if not made:
        raise ConfigError("inputs: syslog: name at least one of udp, tcp, tls, relp, relp_tls")
    return made


def _syslog_stream(
    kind: str, address: tuple[str, int], source: str, entry: Mapping[str, Any]
) -> Input:
    from collectors.agent.inputs.syslog_streams import Certificates, SyslogStreams

    if kind == "relp":
        return SyslogStreams(kind, address, source=source)
    if "certificate" not in entry or "key" not in entry:
        raise ConfigError(f"inputs: syslog: {kind} needs certificate and key, two PEM files")
    certificate, key = Path(str(entry["certificate"])), Path(str(entry["key"]))
    client_ca = Path(str(entry["client_ca"])) if "client_ca" in entry else None
    files = Certificates(certificate, key, client_ca)
    return SyslogStreams(kind, address, certificates=files, source=source)


def _paths(entry: Mapping[str, Any]) -> list[str]:
    paths = entry.get("paths")
    if not isinstance(paths, list) or not paths or not all(isinstance(one, str) for one in paths):
        raise ConfigError(f"inputs: {entry['kind']}: paths must be a list of paths or patterns")
    return paths


def _address(entry: Mapping[str, Any], key: str) -> tuple[str, int] | None:
    if key not in entry:
        return None
    host, _, port = str(entry[key]).rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"inputs: {entry['kind']}: {key} must be host:port, not {entry[key]!r}")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - a receiver listens for others


def _networks(entry: Mapping[str, Any]) -> list[Network]:
    """Addresses and networks that may send."""
    written = entry.get("exporters", [])
    if not isinstance(written, list):
        raise ConfigError("inputs: flow_export: exporters must be a list of addresses or networks")
    try:
        return [ipaddress.ip_network(str(one)) for one in written]
    except ValueError as error:
        raise ConfigError(f"inputs: flow_export: exporters: {error}") from error


def _number(limits: Mapping[str, Any], key: str, default: int, *, place: str = "limits") -> int:
    value = limits.get(key, default)
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f"{place}: {key} must be a whole number from 1, not {value!r}")
    return value


def _check_keys(facts: Any, known: set[str], place: str) -> None:
    if not isinstance(facts, Mapping):
        raise ConfigError(f"{place}: expected a mapping, found {type(facts).__name__}")
    if unknown := sorted(str(one) for one in facts if one not in known):
        raise ConfigError(f"{place}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")


def local_zone() -> str:
    """The IANA name of this machine's time zone, empty where it cannot be told."""
    if named := os.environ.get("TZ", "").removeprefix(":"):
        return named
    link = Path("/etc/localtime")
    if link.is_symlink():
        _, found, name = str(link.resolve()).partition("/zoneinfo/")
        if found:
            return name
    named_in = Path("/etc/timezone")
    return named_in.read_text().strip() if named_in.exists() else ""
