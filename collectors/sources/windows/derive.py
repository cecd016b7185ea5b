"""From a Windows record to ECS fields: what its kind of event always has, its data, and what follows from both."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from collectors.sources.windows import tables
from collectors.sources.windows.xml_text import Data, Head, WindowsRecord
from soc.model.event import Fields
from soc.normalise.accounts import base_name, split_account
from soc.normalise.addresses import ip_address
from soc.normalise.login_messages import read_message

Finish = Callable[[Fields, Data], None]

AUDIT_SUCCESS, AUDIT_FAILURE = 1 << 53, 1 << 52  # bits of Keywords
CONTEXT_LINE = re.compile(
    r"^[ \t]*([A-Z][A-Za-z ]{1,30}?)[ \t]*=[ \t]?(.*?)[ \t]*\r?$", re.MULTILINE
)
NOT_IN_DATASET = re.compile(r"[^a-z0-9]+")
HASH_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64}
HIVES = {
    "HKLM": "HKLM",
    "HKU": "HKU",
    "HKCR": "HKCR",
    "HKCU": "HKCU",
    "\\REGISTRY\\MACHINE": "HKLM",
}
MESSAGES_MAX = 4096  # names of EventData remembered


class _EventDataNames(dict[str, str]):
    """EventData's name to its field, remembered (a sender with endless names does not fill memory)."""

    def __missing__(self, name: str) -> str:
        field = f"winlog.event_data.{name}"
        if len(self) < MESSAGES_MAX:
            self[name] = field
        return field


EVENT_DATA = _EventDataNames()


class Kind(NamedTuple):
    """What all events of one head have in common."""

    fields: Fields  # copied for each event; the lists in it are shared and never changed
    rules: tables.Rules
    finish: Finish


def fields_of(record: WindowsRecord) -> Fields:
    """The flat ECS fields of a record."""
    kind = kind_of(record.head)
    fields = kind.fields.copy()
    _add_system(fields, record)
    rules = kind.rules
    for name, text in record.data.items():
        if not text:
            continue
        fields[EVENT_DATA[name]] = text if isinstance(text, str) else _filled(text)
        rule = rules.get(name)
        if rule is not None and isinstance(text, str):
            value = rule[1](text)
            if value is not None:
                fields[rule[0]] = value
    kind.finish(fields, record.data)
    _add_related(fields)
    return fields


def _filled(texts: list[str]) -> list[str]:
    return [text for text in texts if text] or ["-"]


def _add_system(fields: Fields, record: WindowsRecord) -> None:
    if record.record_id:
        fields["winlog.record_id"] = record.record_id
    if record.process_id.isdecimal():
        fields["winlog.process.pid"] = int(record.process_id)
    if record.thread_id.isdecimal():
        fields["winlog.process.thread.id"] = int(record.thread_id)
    if record.activity_id:
        fields["winlog.activity_id"] = record.activity_id
    if record.user_sid:
        fields["winlog.user.identifier"] = record.user_sid
    if record.message:
        fields["message"] = record.message


@lru_cache(maxsize=8192)
def kind_of(head: Head) -> Kind:
    """The fields, rules and finishing of the events of one head."""
    action, category, kinds = _meaning(head)
    fields: Fields = {
        "event.kind": "event",
        "event.module": "windows",
        "event.dataset": dataset(head.channel),
        "event.code": str(head.code),
        "event.provider": head.provider,
        "event.action": action,
        "event.category": category,
        "event.type": kinds,
        "event.outcome": _outcome(head),
        "host.name": head.computer,
        "host.os.type": "windows",
        "log.level": tables.LOG_LEVELS.get(head.level, ""),
        "winlog.channel": head.channel,
        "winlog.provider_name": head.provider,
        "winlog.provider_guid": head.provider_guid,
        "winlog.computer_name": head.computer,
        "winlog.task": head.task,
        "winlog.opcode": head.opcode,
        "winlog.version": head.version,
        "winlog.keywords": head.keywords,
    }
    rules, finish = _treatment(head)
    return Kind({name: value for name, value in fields.items() if value}, rules, finish)


def dataset(channel: str) -> str:
    """The dataset of a channel.

    >>> dataset("Security"), dataset("Microsoft-Windows-TaskScheduler/Operational")
    ('windows.security', 'windows.taskscheduler_operational')
    """
    known = tables.DATASETS.get(channel)
    if known is not None:
        return known
    slug = NOT_IN_DATASET.sub("_", channel.removeprefix("Microsoft-Windows-").lower()).strip("_")
    return f"windows.{slug or 'other'}"


def _meaning(head: Head) -> tables.Meaning:
    if head.provider == "Microsoft-Windows-Sysmon":
        found = tables.SYSMON_MEANING.get(head.code)
    elif head.provider == "Microsoft-Windows-Security-Auditing":
        found = tables.SECURITY_MEANING.get(head.code)
    else:
        found = tables.OTHER_MEANING.get((head.provider, head.code))
    return found or ("", [], [])


def _outcome(head: Head) -> str:
    if head.channel != "Security" or not re.fullmatch(r"0x[0-9A-Fa-f]{1,16}", head.keywords):
        return ""
    bits = int(head.keywords, 16)
    return "failure" if bits & AUDIT_FAILURE else "success" if bits & AUDIT_SUCCESS else ""


def _treatment(head: Head) -> tuple[tables.Rules, Finish]:
    """The rules and the finishing of a kind of event."""
    if head.provider == "Microsoft-Windows-Sysmon":
        return _sysmon_treatment(head.code)
    if head.provider == "Microsoft-Windows-Security-Auditing":
        return _security_rules(head.code), _finish_security
    if head.provider in ("Microsoft-Windows-PowerShell", "PowerShellCore", "PowerShell"):
        return tables.POWERSHELL, _finish_powershell
    if head.provider == "Microsoft-Windows-Windows Defender":
        return tables.DEFENDER, _finish_defender
    if head.provider == "OpenSSH":
        return tables.GENERIC, _finish_openssh
    if head.code == 1149:
        return tables.GENERIC, _finish_remote_desktop
    return tables.GENERIC, _finish_process


def _sysmon_treatment(code: int) -> tuple[tables.Rules, Finish]:
    if code == 1:
        return tables.SYSMON_PROCESS, _finish_sysmon_process
    if code in (6, 7):
        return tables.SYSMON_IMAGE, _finish_sysmon_file
    return tables.SYSMON, _finish_sysmon_file


def _security_rules(code: int) -> tables.Rules:
    if code in tables.LOGON_EVENTS:
        return tables.SECURITY_LOGON
    if code in tables.CONNECTION_EVENTS:
        return tables.SECURITY_CONNECTION
    return tables.SECURITY_PROCESS if code == 4688 else tables.SECURITY


def _finish_process(fields: Fields, _: Data) -> None:
    """Names from paths."""
    executable = fields.get("process.executable")
    if executable is not None:
        fields["process.name"] = base_name(str(executable))
    parent = fields.get("process.parent.executable")
    if parent is not None:
        fields["process.parent.name"] = base_name(str(parent))
    path = fields.get("file.path")
    if path is not None:
        _add_file_names(fields, str(path))


def _add_file_names(fields: Fields, path: str) -> None:
    name = base_name(path)
    if not name:
        return
    fields["file.name"] = name
    directory = path[: -len(name)].rstrip("\\")
    if directory:
        fields["file.directory"] = directory
    stem, _, extension = name.rpartition(".")
    if stem and extension:
        fields["file.extension"] = extension.lower()


def _add_user(fields: Fields, account: str | list[str] | None) -> None:
    if isinstance(account, str) and account and account != "-":
        domain, name = split_account(account)
        if name:
            fields["user.name"] = name
        if domain:
            fields["user.domain"] = domain


def _finish_sysmon_process(fields: Fields, data: Data) -> None:
    _finish_process(fields, data)
    _add_user(fields, data.get("User"))
    _add_hashes(fields, data.get("Hashes"), "process")


def _finish_sysmon_file(fields: Fields, data: Data) -> None:
    _finish_process(fields, data)
    _add_user(fields, data.get("User") or data.get("SourceUser"))
    _add_hashes(fields, data.get("Hashes"), "file")
    path = fields.get("registry.path")
    if path is not None:
        _add_registry(fields, str(path), data.get("Details"))
    results = data.get("QueryResults")
    if isinstance(results, str):
        found = [address for part in results.split(";") if (address := ip_address(part))]
        if found:
            fields["dns.resolved_ip"] = found


def _add_hashes(fields: Fields, hashes: str | list[str] | None, owner: str) -> None:
    """Split ``SHA1=...,MD5=...,IMPHASH=...``."""
    if not isinstance(hashes, str):
        return
    related: list[str] = []
    for part in hashes.split(","):
        kind, _, value = part.partition("=")
        kind, value = kind.lower(), value.lower()
        if len(value) == HASH_LENGTHS.get(kind):
            fields[f"{owner}.hash.{kind}"] = value
            related.append(value)
        elif kind == "imphash" and len(value) == 32:
            fields[f"{owner}.pe.imphash"] = value
            related.append(value)
    if related:
        fields["related.hash"] = related


def _add_registry(fields: Fields, path: str, details: str | list[str] | None) -> None:
    hive, _, key = path.partition("\\")
    if hive in HIVES and key:
        fields["registry.hive"] = HIVES[hive]
        fields["registry.key"] = key
        if details is not None:
            fields["registry.value"] = base_name(path)
    if isinstance(details, str) and details:
        fields["registry.data.strings"] = [details]


def _finish_security(fields: Fields, data: Data) -> None:
    name, kind = data.get("ObjectName"), data.get("ObjectType")
    if isinstance(name, str) and name not in ("", "-"):
        if kind == "File":
            fields["file.path"] = name
        elif kind == "Key":
            fields["registry.path"] = name
    value = data.get("ObjectValueName")
    if isinstance(name, str) and isinstance(value, str) and value not in ("", "-"):
        fields["registry.path"] = f"{name}\\{value}"
        fields["registry.value"] = value
    _finish_process(fields, data)


def _finish_powershell(fields: Fields, data: Data) -> None:
    """The ``name=value`` lines of 400, 600 and 800, and the ``Name = value`` lines of 4103."""
    unnamed = data.get("Data")
    context = data.get("ContextInfo") or (unnamed[-1] if isinstance(unnamed, list) else unnamed)
    if isinstance(context, str):
        for spaced, text in CONTEXT_LINE.findall(context):
            name = "".join(word[0] + word[1:].replace("D", "d", 1) if word == "ID" else word
                           for word in spaced.split(" "))  # fmt: skip
            _add_context(fields, name, text)
    _finish_process(fields, data)


def _add_context(fields: Fields, name: str, text: str) -> None:
    rule = tables.POWERSHELL_CONTEXT.get(name)
    if name in ("User", "UserId"):
        _add_user(fields, text)
    elif rule is not None and text:
        value = rule[1](text)
        if value is not None:
            fields[rule[0]] = value


def _finish_defender(fields: Fields, data: Data) -> None:
    _add_user(fields, data.get("Detection User") or data.get("User"))
    if fields.get("process.executable") == "Unknown":
        del fields["process.executable"]
    _finish_process(fields, data)


def _finish_openssh(fields: Fields, data: Data) -> None:
    program, payload = data.get("process"), data.get("payload")
    if isinstance(program, str) and isinstance(payload, str):
        fields["message"] = payload
        fields.update(read_message("sshd" if program.startswith("sshd") else program, payload))


def _finish_remote_desktop(fields: Fields, data: Data) -> None:
    """1149 of the RDP listener: Param1 user, Param2 domain, Param3 address."""
    user, domain, address = (data.get(f"Param{place}") for place in (1, 2, 3))
    if isinstance(user, str) and user:
        fields["user.name"] = user
    if isinstance(domain, str) and domain:
        fields["user.domain"] = domain
    source = ip_address(address) if isinstance(address, str) else None
    if source is not None:
        fields["source.ip"] = source


def _add_related(fields: Fields) -> None:
    user, target = fields.get("user.name"), fields.get("user.target.name")
    if user is not None:
        fields["related.user"] = [user] if target is None or target == user else [user, target]
    elif target is not None:
        fields["related.user"] = [target]
    source, destination = fields.get("source.ip"), fields.get("destination.ip")
    if source is not None:
        fields["related.ip"] = [source] if destination is None else [source, destination]
    elif destination is not None:
        fields["related.ip"] = [destination]
