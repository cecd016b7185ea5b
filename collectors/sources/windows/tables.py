"""The mapping of Windows events as data: names of EventData to ECS, and what each event id means.

ECS names follow Elastic's Winlogbeat modules and pySigma's ``ecs_windows`` pipeline, so that rules converted by it
find their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from soc.model.event import Scalar
from soc.normalise.addresses import ip_address, port_number

Convert = Callable[[str], Scalar | None]
Rules = Mapping[str, tuple[str, Convert]]


def text(value: str) -> str | None:
    """The text, unless it is how Windows writes that there is none (S-1-0-0 is the SID of nobody)."""
    return None if value in ("-", "S-1-0-0") or value.isspace() else value


def number(value: str) -> int | None:
    """Decimal, or hexadecimal with 0x."""
    try:
        return int(value, 16) if value[:2] == "0x" else int(value)
    except ValueError:
        return None


def process_id(value: str) -> int | None:
    """A process; 0 says that there was none."""
    return number(value) or None


def truth(value: str) -> bool | None:
    return {"true": True, "false": False}.get(value.lower())


def direction(value: str) -> str | None:
    """Sysmon's Initiated, and the Direction of the filtering platform (5156)."""
    return {
        "true": "egress",
        "false": "ingress",
        "%%14592": "ingress",
        "%%14593": "egress",
    }.get(value)


def transport(value: str) -> str | None:
    return {"6": "tcp", "17": "udp", "1": "icmp", "58": "ipv6-icmp"}.get(value, text(value.lower()))


def logon_type(value: str) -> str | None:
    """The name of a LogonType, as Winlogbeat writes it."""
    return {
        "2": "Interactive",
        "3": "Network",
        "4": "Batch",
        "5": "Service",
        "7": "Unlock",
        "8": "NetworkCleartext",
        "9": "NewCredentials",
        "10": "RemoteInteractive",
        "11": "CachedInteractive",
    }.get(value)


def defender_path(value: str) -> str | None:
    """The first path of ``file:_C:\\a.exe; containerfile:_...``."""
    kind, mark, path = value.partition(":_")
    return (
        text(path.partition(";")[0].partition("->")[0]) if mark and kind.endswith("file") else None
    )


def _rules(plain: Mapping[str, str], **converted: tuple[str, Convert]) -> Rules:
    return MappingProxyType({name: (field, text) for name, field in plain.items()} | converted)


CONNECTION: dict[str, tuple[str, Convert]] = {
    "SourceIp": ("source.ip", ip_address),
    "SourcePort": ("source.port", port_number),
    "DestinationIp": ("destination.ip", ip_address),
    "DestinationPort": ("destination.port", port_number),
    "Initiated": ("network.direction", direction),
    "Protocol": ("network.transport", transport),
}
SYSMON = _rules(
    {
        "ProcessGuid": "process.entity_id",
        "SourceProcessGuid": "process.entity_id",
        "SourceProcessGUID": "process.entity_id",
        "Image": "process.executable",
        "SourceImage": "process.executable",
        "Destination": "process.executable",
        "CommandLine": "process.command_line",
        "CurrentDirectory": "process.working_directory",
        "ParentProcessGuid": "process.parent.entity_id",
        "ParentImage": "process.parent.executable",
        "ParentCommandLine": "process.parent.command_line",
        "TargetFilename": "file.path",
        "ImageLoaded": "file.path",
        "Device": "file.path",
        "PipeName": "file.name",
        "SourceHostname": "source.domain",
        "DestinationHostname": "destination.domain",
        "DestinationPortName": "network.protocol",
        "Signature": "file.code_signature.subject_name",
        "SignatureStatus": "file.code_signature.status",
        "TargetObject": "registry.path",
        "QueryName": "dns.question.name",
        "QueryStatus": "sysmon.dns.status",
        "RuleName": "rule.name",
    },
    **CONNECTION,
    ProcessId=("process.pid", process_id),
    SourceProcessId=("process.pid", process_id),
    SourceThreadId=("process.thread.id", number),
    ParentProcessId=("process.parent.pid", process_id),
    Signed=("file.code_signature.signed", text),
    IsExecutable=("sysmon.file.is_executable", truth),
    Archived=("sysmon.file.archived", truth),
)
PE: Mapping[str, str] = {
    "FileVersion": "file_version",
    "Description": "description",
    "Product": "product",
    "Company": "company",
    "OriginalFileName": "original_file_name",
}
SYSMON_PROCESS = MappingProxyType(
    {**SYSMON, **_rules({name: f"process.pe.{field}" for name, field in PE.items()})}
)
SYSMON_IMAGE = MappingProxyType(
    {**SYSMON, **_rules({name: f"file.pe.{field}" for name, field in PE.items()})}
)

SUBJECT = {
    "SubjectUserName": "user.name",
    "SubjectDomainName": "user.domain",
    "SubjectUserSid": "user.id",
    "SubjectLogonId": "winlog.logon.id",
}
TARGET_OF_ACT = {
    "TargetUserName": "user.target.name",
    "TargetDomainName": "user.target.domain",
    "TargetSid": "user.target.id",
    "TargetUserSid": "user.target.id",
}
TARGET_IS_USER = {
    "TargetUserName": "user.name",
    "TargetDomainName": "user.domain",
    "TargetUserSid": "user.id",
    "TargetSid": "user.id",
    "TargetLogonId": "winlog.logon.id",
}
AUDITED = {
    "NewProcessName": "process.executable",
    "ProcessName": "process.executable",
    "Application": "process.executable",
    "CommandLine": "process.command_line",
    "ParentProcessName": "process.parent.executable",
    "WorkstationName": "source.domain",
    "Workstation": "source.domain",
    "ClientName": "source.domain",
    "ServiceName": "service.name",
}
AUDITED_CONVERTED: dict[str, tuple[str, Convert]] = {
    "NewProcessId": ("process.pid", process_id),
    "ProcessId": ("process.pid", process_id),
    "ProcessID": ("process.pid", process_id),
    "IpAddress": ("source.ip", ip_address),
    "ClientAddress": ("source.ip", ip_address),
    "SourceAddress": ("source.ip", ip_address),
    "IpPort": ("source.port", port_number),
    "SourcePort": ("source.port", port_number),
    "DestAddress": ("destination.ip", ip_address),
    "DestPort": ("destination.port", port_number),
    "Direction": ("network.direction", direction),
    "LogonType": ("winlog.logon.type", logon_type),
}
SECURITY = _rules(SUBJECT | TARGET_OF_ACT | AUDITED, **AUDITED_CONVERTED)
SECURITY_LOGON = _rules(TARGET_IS_USER | AUDITED, **AUDITED_CONVERTED)
SECURITY_CONNECTION = _rules(
    SUBJECT | AUDITED, **AUDITED_CONVERTED, Protocol=("network.transport", transport)
)
SECURITY_PROCESS = MappingProxyType({**SECURITY, "ProcessId": ("process.parent.pid", process_id)})
LOGON_EVENTS = frozenset(
    {4624, 4625, 4626, 4627, 4634, 4647, 4768, 4769, 4770, 4771, 4772, 4776, 4820}
)
CONNECTION_EVENTS = frozenset({5150, 5151, 5152, 5153, 5154, 5155, 5156, 5157, 5158, 5159})

POWERSHELL = _rules(
    {
        "ScriptBlockText": "powershell.file.script_block_text",
        "ScriptBlockId": "powershell.file.script_block_id",
        "Payload": "powershell.file.script_block_text",
        "Path": "file.path",
    },
    MessageNumber=("powershell.sequence", number),
    MessageTotal=("powershell.total", number),
)
POWERSHELL_CONTEXT = _rules(
    {
        "HostName": "process.title",
        "HostId": "process.entity_id",
        "HostApplication": "process.command_line",
        "HostVersion": "powershell.process.executable_version",
        "EngineVersion": "powershell.engine.version",
        "NewEngineState": "powershell.engine.new_state",
        "PreviousEngineState": "powershell.engine.previous_state",
        "NewProviderState": "powershell.provider.new_state",
        "ProviderName": "powershell.provider.name",
        "RunspaceId": "powershell.runspace_id",
        "PipelineId": "powershell.pipeline_id",
        "CommandName": "powershell.command.name",
        "CommandPath": "powershell.command.path",
        "CommandType": "powershell.command.type",
        "CommandLine": "powershell.command.value",
        "ScriptName": "file.path",
    },
    SequenceNumber=("event.sequence", number),
)
DEFENDER = _rules(
    {"Process Name": "process.executable", "Threat Name": "rule.name"},
    Path=("file.path", defender_path),
)
GENERIC = _rules(
    SUBJECT
    | TARGET_OF_ACT
    | {
        "ServiceName": "service.name",
        "AccountName": "user.name",
        "AccountDomain": "user.domain",
        "ClientName": "source.domain",
        "QueryName": "dns.question.name",
    },
    IpAddress=("source.ip", ip_address),
    IpPort=("source.port", port_number),
    ClientAddress=("source.ip", ip_address),
    ClientIP=("source.ip", ip_address),
    DestAddress=("destination.ip", ip_address),
)

Meaning = tuple[str, list[str], list[str]]  # event.action, event.category, event.type
PROCESS, FILE, REGISTRY, NETWORK = ["process"], ["file"], ["registry"], ["network"]
SYSMON_MEANING: Mapping[int, Meaning] = MappingProxyType(
    {
        1: ("process-created", PROCESS, ["start"]),
        2: ("file-creation-time-changed", FILE, ["change"]),
        3: ("network-connection", NETWORK, ["connection", "start", "protocol"]),
        4: ("sysmon-state-changed", ["configuration"], ["change"]),
        5: ("process-ended", PROCESS, ["end"]),
        6: ("driver-loaded", ["driver"], ["start"]),
        7: ("image-loaded", PROCESS, ["change"]),
        8: ("remote-thread-created", PROCESS, ["change"]),
        9: ("raw-disk-read", PROCESS, ["access"]),
        10: ("process-accessed", PROCESS, ["access"]),
        11: ("file-created", FILE, ["creation"]),
        12: ("registry-object-added-or-deleted", REGISTRY, ["change"]),
        13: ("registry-value-set", REGISTRY, ["change"]),
        14: ("registry-object-renamed", REGISTRY, ["change"]),
        15: ("file-stream-created", FILE, ["access"]),
        16: ("sysmon-config-changed", ["configuration"], ["change"]),
        17: ("pipe-created", FILE, ["creation"]),
        18: ("pipe-connected", FILE, ["access"]),
        19: ("wmi-filter-activity", ["configuration"], ["change"]),
        20: ("wmi-consumer-activity", ["configuration"], ["change"]),
        21: ("wmi-binding-activity", ["configuration"], ["change"]),
        22: ("dns-query", NETWORK, ["connection", "protocol", "info"]),
        23: ("file-deleted-archived", FILE, ["deletion"]),
        24: ("clipboard-changed", ["host"], ["change"]),
        25: ("process-tampered", PROCESS, ["change"]),
        26: ("file-deleted", FILE, ["deletion"]),
        27: ("executable-blocked", FILE, ["creation", "denied"]),
        28: ("shredding-blocked", FILE, ["deletion", "denied"]),
        29: ("executable-created", FILE, ["creation"]),
        255: ("sysmon-error", ["process"], ["error"]),
    }
)
SIGN_IN, ACCOUNT, SETTING = ["authentication"], ["iam"], ["configuration"]
USER_CHANGE, GROUP_CHANGE = ["user", "change"], ["group", "change"]
SECURITY_MEANING: Mapping[int, Meaning] = MappingProxyType(
    {
        1100: ("logging-service-shutdown", PROCESS, ["end"]),
        1102: ("audit-log-cleared", ACCOUNT, ["admin", "change"]),
        4608: ("windows-startup", ["host"], ["start"]),
        4616: ("system-time-changed", ["host"], ["change"]),
        4624: ("logged-in", SIGN_IN, ["start"]),
        4625: ("logon-failed", SIGN_IN, ["start"]),
        4634: ("logged-out", SIGN_IN, ["end"]),
        4647: ("logged-out", SIGN_IN, ["end"]),
        4648: ("logged-in-explicit", SIGN_IN, ["start"]),
        4657: ("registry-value-modified", REGISTRY, ["change"]),
        4663: ("object-accessed", FILE, ["access"]),
        4672: ("logged-in-special", ACCOUNT, ["admin"]),
        4673: ("privileged-service-called", ACCOUNT, ["admin"]),
        4674: ("privileged-operation", ACCOUNT, ["admin"]),
        4688: ("created-process", PROCESS, ["start"]),
        4689: ("exited-process", PROCESS, ["end"]),
        4697: ("service-installed", SETTING, ["creation"]),
        4698: ("scheduled-task-created", SETTING, ["creation"]),
        4699: ("scheduled-task-deleted", SETTING, ["deletion"]),
        4700: ("scheduled-task-enabled", SETTING, ["change"]),
        4701: ("scheduled-task-disabled", SETTING, ["change"]),
        4702: ("scheduled-task-updated", SETTING, ["change"]),
        4719: ("changed-audit-config", SETTING, ["admin", "change"]),
        4720: ("added-user-account", ACCOUNT, ["user", "creation"]),
        4722: ("enabled-user-account", ACCOUNT, USER_CHANGE),
        4723: ("changed-password", ACCOUNT, USER_CHANGE),
        4724: ("reset-password", ACCOUNT, USER_CHANGE),
        4725: ("disabled-user-account", ACCOUNT, USER_CHANGE),
        4726: ("deleted-user-account", ACCOUNT, ["user", "deletion"]),
        4727: ("added-group-account", ACCOUNT, ["group", "creation"]),
        4728: ("added-member-to-group", ACCOUNT, GROUP_CHANGE),
        4729: ("removed-member-from-group", ACCOUNT, GROUP_CHANGE),
        4731: ("added-group-account", ACCOUNT, ["group", "creation"]),
        4732: ("added-member-to-group", ACCOUNT, GROUP_CHANGE),
        4733: ("removed-member-from-group", ACCOUNT, GROUP_CHANGE),
        4738: ("modified-user-account", ACCOUNT, USER_CHANGE),
        4740: ("locked-out-user-account", ACCOUNT, USER_CHANGE),
        4741: ("added-computer-account", ACCOUNT, ["creation", "admin"]),
        4742: ("changed-computer-account", ACCOUNT, ["change", "admin"]),
        4756: ("added-member-to-group", ACCOUNT, GROUP_CHANGE),
        4757: ("removed-member-from-group", ACCOUNT, GROUP_CHANGE),
        4767: ("unlocked-user-account", ACCOUNT, USER_CHANGE),
        4768: ("kerberos-authentication-ticket-requested", SIGN_IN, ["start"]),
        4769: ("kerberos-service-ticket-requested", SIGN_IN, ["start"]),
        4771: ("kerberos-preauth-failed", SIGN_IN, ["start"]),
        4776: ("credential-validated", SIGN_IN, ["start"]),
        4781: ("renamed-user-account", ACCOUNT, USER_CHANGE),
        4798: ("group-membership-enumerated", ACCOUNT, ["user", "info"]),
        4799: ("user-member-enumerated", ACCOUNT, ["group", "info"]),
        5140: ("network-share-accessed", FILE, ["access"]),
        5145: ("network-share-object-checked", FILE, ["access"]),
        5156: ("connection-permitted", NETWORK, ["connection", "allowed"]),
        5157: ("connection-blocked", NETWORK, ["connection", "denied"]),
    }
)
OTHER_MEANING: Mapping[tuple[str, int], Meaning] = MappingProxyType(
    {
        ("Service Control Manager", 7045): ("service-installed", SETTING, ["creation"]),
        ("Microsoft-Windows-Eventlog", 104): ("log-cleared", SETTING, ["admin", "deletion"]),
        ("Microsoft-Windows-Eventlog", 1102): ("audit-log-cleared", ACCOUNT, ["admin", "change"]),
        ("Microsoft-Windows-PowerShell", 4103): ("module-logged", PROCESS, ["info"]),
        ("Microsoft-Windows-PowerShell", 4104): ("script-block-logged", PROCESS, ["info"]),
        ("PowerShell", 400): ("engine-started", PROCESS, ["start"]),
        ("PowerShell", 403): ("engine-stopped", PROCESS, ["end"]),
        ("PowerShell", 600): ("provider-started", PROCESS, ["info"]),
        ("PowerShell", 800): ("pipeline-executed", PROCESS, ["info"]),
        ("Microsoft-Windows-TaskScheduler", 106): ("task-registered", SETTING, ["creation"]),
        ("Microsoft-Windows-TaskScheduler", 140): ("task-updated", SETTING, ["change"]),
        ("Microsoft-Windows-TaskScheduler", 141): ("task-deleted", SETTING, ["deletion"]),
        ("Microsoft-Windows-TaskScheduler", 200): ("task-action-started", PROCESS, ["start"]),
        ("Microsoft-Windows-Windows Defender", 1116): ("malware-detected", ["malware"], ["info"]),
        ("Microsoft-Windows-Windows Defender", 1117): ("malware-acted-on", ["malware"], ["info"]),
        ("Microsoft-Windows-Windows Defender", 5001): ("protection-disabled", SETTING, ["change"]),
        ("Microsoft-Windows-Windows Defender", 5007): ("settings-changed", SETTING, ["change"]),
        ("Microsoft-Windows-TerminalServices-RemoteConnectionManager", 1149): (
            "remote-desktop-user-authenticated",
            SIGN_IN,
            ["start"],
        ),
    }
)
DATASETS = MappingProxyType(
    {
        "Security": "windows.security",
        "System": "windows.system",
        "Application": "windows.application",
        "Windows PowerShell": "windows.powershell",
        "Microsoft-Windows-PowerShell/Operational": "windows.powershell",
        "PowerShellCore/Operational": "windows.powershell",
        "Microsoft-Windows-Sysmon/Operational": "windows.sysmon",
        "Microsoft-Windows-Windows Defender/Operational": "windows.defender",
    }
)
LOG_LEVELS = MappingProxyType(
    {"1": "critical", "2": "error", "3": "warning", "4": "information", "5": "verbose"}
)
