"""From a rule's log source to conditions on the event: where the event must come from for the rule to be asked.

Closed by default: a log source that no table knows gives no conditions, and the rule "cannot match", rather than
being asked about every event. The Windows tables come from pySigma's pipelines (``sigma_files`` passes them in).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Values = str | int | Sequence[str | int]

SYSMON = "Microsoft-Windows-Sysmon/Operational"
LINUX_SYSMON = "Linux-Sysmon/Operational"
MORE_CHANNELS: Mapping[str, Values] = MappingProxyType(
    {  # services of the Sigma taxonomy that pySigma's table lacks
        "application-experience": "Microsoft-Windows-Application-Experience/Program-Telemetry",
        "hyper-v-worker": "Microsoft-Windows-Hyper-V-Worker",
        "iis-configuration": "Microsoft-IIS-Configuration/Operational",
        "kernel-event-tracing": "Microsoft-Windows-Kernel-EventTracing",
        "kernel-shimengine": (
            "Microsoft-Windows-Kernel-ShimEngine/Operational",
            "Microsoft-Windows-Kernel-ShimEngine/Diagnostic",
        ),
        "ntfs": "Microsoft-Windows-Ntfs/Operational",
        "sense": "Microsoft-Windows-SENSE/Operational",
        "smbclient-connectivity": "Microsoft-Windows-SmbClient/Connectivity",
        "smbserver-connectivity": "Microsoft-Windows-SMBServer/Connectivity",
    }
)
EVENT_TYPE = MappingProxyType({"registry_add": "Create*", "registry_delete": "Delete*"})
"""Sysmon 12 is the creation and the deletion of keys; EventType (CreateKey, DeleteValue, ...) tells which."""

ECS_GATE = MappingProxyType(
    {
        "Channel": "winlog.channel",
        "EventID": "event.code",
        "EventType": "winlog.event_data.EventType",
    }
)
LINUX_FIELDS = MappingProxyType(
    {
        "Image": "process.executable",
        "CommandLine": "process.command_line",
        "CurrentDirectory": "process.working_directory",
        "ProcessId": "process.pid",
        "ParentImage": "process.parent.executable",
        "ParentCommandLine": "process.parent.command_line",
        "ParentProcessId": "process.parent.pid",
        "User": "user.name",
        "TargetFilename": "file.path",
        "SourceIp": "source.ip",
        "SourcePort": "source.port",
        "DestinationIp": "destination.ip",
        "DestinationPort": "destination.port",
        "DestinationHostname": "destination.domain",
        "SourceHostname": "source.domain",
        "Protocol": "network.transport",
    }
)
AUDITD_FIELDS = MappingProxyType(
    {
        "type": "auditd.type",
        "exe": "process.executable",
        "comm": "process.title",
        "key": "auditd.key",
        "name": "file.path",
        "cwd": "process.working_directory",
        "SYSCALL": "event.action",
    }
)
WEB_FIELDS = MappingProxyType(
    {  # W3C extended names; SigmaHQ's rules look for paths in cs-uri-query too, so it is the whole request
        "cs-method": "http.request.method",
        "cs-uri": "url.original",
        "cs-uri-query": "url.original",
        "cs-uri-stem": "url.path",
        "c-uri": "url.original",
        "c-uri-query": "url.query",
        "c-uri-stem": "url.path",
        "c-uri-extension": "url.extension",
        "cs-host": "url.domain",
        "r-dns": "url.domain",
        "cs-referer": "http.request.referrer",
        "cs-referrer": "http.request.referrer",
        "cs-user-agent": "user_agent.original",
        "c-useragent": "user_agent.original",
        "cs-username": "user.name",
        "c-ip": "source.ip",
        "s-ip": "destination.ip",
        "r-ip": "destination.ip",
        "sc-status": "http.response.status_code",
        "sc-bytes": "http.response.body.bytes",
        "src_ip": "source.ip",
        "dst_ip": "destination.ip",
    }
)
NETWORK_FIELDS = MappingProxyType(
    {
        "src_ip": "source.ip",
        "src_port": "source.port",
        "dst_ip": "destination.ip",
        "dst_port": "destination.port",
        "query": "dns.question.name",
        "record_type": "dns.question.type",
        "answer": "dns.answers.data",
        "action": "event.action",
        "username": "user.name",
    }
)
FORTIGATE_FIELDS = MappingProxyType(
    {"action": "event.action"}
    | {
        name: f"fortinet.firewall.{name}"
        for name in ("cfgpath", "cfgattr", "cfgobj", "subtype", "logdesc")
    }
)
OTHER_FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {  # by product or category
        "webserver": WEB_FIELDS,
        "proxy": WEB_FIELDS,
        "dns": NETWORK_FIELDS,
        "firewall": NETWORK_FIELDS,
        "fortigate": FORTIGATE_FIELDS,
    }
)
MODULES_OF: Mapping[str, Values] = MappingProxyType(
    {  # SigmaHQ's names of products to the readers that bring them
        "cisco": ("cisco_ios", "cisco_asa"),
        "fortios": "fortigate",
        "huawei": "huawei_usg",
        "juniper": ("juniper_srx", "netscreen"),
    }
)
SERVICES_ALONE: Mapping[str, Mapping[str, Values]] = MappingProxyType(
    {  # services that SigmaHQ names without a product, by the readers that bring them
        "apache": {"event.module": "apache"},
        "nginx": {"event.module": "nginx"},
    }
)
SERVICES_OF_DEVICES = frozenset({"aaa", "bgp", "ldp", "sslvpnd", "syslog"})
"""Services whose words stand in any message of the device."""
KEPT_AS_TEXT = frozenset(
    {  # ECS holds a reading of these (domain split off, "-" left out); rules are written for Windows' own text
        *("User", "Initiated", "Protocol", "WorkstationName", "ServiceName", "Application"),
        *("IpAddress", "IpPort", "ClientAddress", "ClientName", "AccountName", "AccountDomain"),
        *("SubjectUserName", "SubjectDomainName", "SubjectUserSid", "SubjectLogonId"),
        *("TargetLogonId", "TargetDomainName", "ParentProcessName"),
    }
)
LINUX_CATEGORY: Mapping[str, Mapping[str, Values]] = MappingProxyType(
    {
        "process_creation": {"event.category": "process", "event.type": "start"},
        "process_termination": {"event.category": "process", "event.type": "end"},
        "file_event": {"event.category": "file", "event.type": ("creation", "change")},
        "file_delete": {"event.category": "file", "event.type": "deletion"},
        "network_connection": {"event.category": "network"},
    }
)
READ_FROM_SYSLOG = (
    *("bind.log", "bind.query", "dnsmasq.log", "isc_dhcp.log", "kea.log", "key_value"),
    *("openvpn.log", "postfix.log", "strongswan.log", "unbound.log"),
)
"""Datasets of services whose lines are syslog too, and have readers of their own."""
LINUX_SERVICE: Mapping[str, Mapping[str, Values]] = MappingProxyType(
    {
        "auditd": {"event.dataset": ("linux.auditd", "linux.process")},
        "auth": {"event.dataset": "linux.auth"},
        "sshd": {"event.dataset": "linux.auth", "process.name": ("sshd", "sshd-session")},
        "sudo": {"event.dataset": "linux.auth", "process.name": "sudo"},
        "su": {"event.dataset": "linux.auth", "process.name": "su"},
        "syslog": {"event.dataset": ("linux.syslog", *READ_FROM_SYSLOG)},
        "cron": {
            "event.dataset": ("linux.syslog", "linux.auth"),
            "process.name": ("cron", "crond", "CROND", "crontab"),
        },
    }
)
ANY_CATEGORY: Mapping[str, Mapping[str, Values]] = MappingProxyType(
    {  # categories without a product, by ECS's own words
        "process_creation": {"event.category": "process", "event.type": "start"},
        "network_connection": {"event.category": "network"},
        "authentication": {"event.category": "authentication"},
        "webserver": {"event.category": "web"},
        "proxy": {"event.category": ("web", "network"), "event.dataset": "*proxy*"},
        "dns": {"event.category": "network", "dns.question.name": "*"},
        "firewall": {"event.category": "network", "event.type": ("connection", "denied")},
        "antivirus": {"event.category": "malware"},
        "database": {"event.category": "database"},
    }
)


@dataclass(frozen=True, slots=True)
class WindowsTables:
    """What pySigma's pipelines know of Windows."""

    sysmon_event_id: Mapping[str, Values]  # category to Sysmon's event ids
    channel: Mapping[str, Values]  # service to channels
    powershell: Mapping[str, Mapping[str, Any]]  # category to {"service", "EventID"}
    audit_fields: Mapping[str, str]  # field of a Sysmon event to that of a Security 4688


@dataclass(frozen=True, slots=True)
class Alternative:
    """One place a rule's events may come from. ``gate`` is in the mapping's own field names; * is a wildcard."""

    gate: Mapping[str, Values]
    category: str | None
    service: str | None
    renamed: Mapping[str, str] = field(default_factory=dict)


def alternatives(
    logsource: Mapping[str, str], mapping: str, windows: WindowsTables
) -> list[Alternative]:
    """Where the events of a log source are found; an empty list if no table knows it."""
    product, category, service = (logsource.get(k) for k in ("product", "category", "service"))
    if product == "windows":
        found = _windows(category, service, windows)
        return [_in_ecs(one) for one in found] if mapping == "ecs" else found
    if mapping == "native":
        return _native(logsource)
    gate = _linux(category, service) if product == "linux" else _other(product, category, service)
    if gate is None:
        return []
    if product == "linux":
        renamed: Mapping[str, str] = AUDITD_FIELDS if service == "auditd" else LINUX_FIELDS
    else:
        renamed = OTHER_FIELDS.get(product or "") or OTHER_FIELDS.get(category or "") or {}
    return [Alternative(gate, category, service, renamed)]


def _windows(category: str | None, service: str | None, tables: WindowsTables) -> list[Alternative]:
    if category == "process_creation":
        security: dict[str, Values] = {"Channel": "Security", "EventID": 4688}
        both = [
            Alternative({"Channel": SYSMON, "EventID": 1}, category, "sysmon"),
            Alternative(security, category, "security", tables.audit_fields),
        ]
        return [one for one in both if service in (None, one.service)]
    if category is not None and category in tables.sysmon_event_id:
        gate: dict[str, Values] = {"Channel": SYSMON, "EventID": tables.sysmon_event_id[category]}
        if category in EVENT_TYPE:
            gate["EventType"] = EVENT_TYPE[category]
        return [Alternative(gate, category, "sysmon")]
    if category is not None and category in tables.powershell:
        found = tables.powershell[category]
        gate = {"Channel": tables.channel[found["service"]], "EventID": found["EventID"]}
        return [Alternative(gate, category, found["service"])]
    if category is not None and service is None:
        return []
    if service is None:
        return [Alternative({"Channel": "*"}, None, None)]
    channel = tables.channel.get(service) or MORE_CHANNELS.get(service)
    return [Alternative({"Channel": channel}, category, service)] if channel else []


def _in_ecs(one: Alternative) -> Alternative:
    """The same place in ECS names; what 4688 names differently, the reader has already brought together."""
    gate = {ECS_GATE.get(name, name): value for name, value in one.gate.items()}
    return Alternative(gate, one.category, one.service)


def _native(logsource: Mapping[str, str]) -> list[Alternative]:
    """Files in Sigma's own names: the event itself carries product, category and service."""
    given = {
        name: logsource[name] for name in ("product", "category", "service") if name in logsource
    }
    found = [Alternative(given, given.get("category"), given.get("service"))]
    if given == {"product": "linux", "category": "process_creation"}:
        found.append(
            Alternative({"Channel": LINUX_SYSMON, "EventID": 1}, "process_creation", "sysmon")
        )
    if given == {"product": "linux", "service": "auditd"}:
        gate = {"type": "*", "Channel": (), "product": ()}
        found.append(Alternative(gate, None, "auditd"))
    return found


def _linux(category: str | None, service: str | None) -> Mapping[str, Values] | None:
    if category is not None and category in LINUX_CATEGORY:
        return {"host.os.type": "linux", **LINUX_CATEGORY[category]}
    if category is not None:
        return None
    if service is None:
        return {"host.os.type": "linux"}
    known: Mapping[str, Values] | None = LINUX_SERVICE.get(service)
    return known or {"event.dataset": "linux.syslog", "process.name": service}


def _other(
    product: str | None, category: str | None, service: str | None
) -> Mapping[str, Values] | None:
    if service in SERVICES_OF_DEVICES and (modules := MODULES_OF.get(product or "")):
        return {"event.module": modules}
    if product is None and service is None:
        return ANY_CATEGORY.get(category or "")
    if product and service:
        return {"event.dataset": f"{product}.{service}"}
    if product and category is None:
        return {"event.module": product}
    if product:
        return {"event.module": product, **ANY_CATEGORY.get(category or "", {})}
    known: Mapping[str, Values] | None = SERVICES_ALONE.get(str(service))
    return known or {"event.dataset": (str(service), f"*.{service}")}
