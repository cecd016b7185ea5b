"""Windows events as the Event Log API renders them live.

Shape: "Event Schema" of the Windows Event Log reference; the data of Security events as "Advanced security audit
policy settings" of Microsoft Learn lists them; Sysmon's as its manifest (schema 4.90).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from soc.simulate.record import NUMBER, Draft
from soc.simulate.site import DOMAIN, NETBIOS, Machine, Person

SCHEMA = "http://schemas.microsoft.com/win/2004/08/events/event"
SECURITY = (
    "Microsoft-Windows-Security-Auditing",
    "{54849625-5478-4994-a5ba-3e3b0328c30d}",
    "Security",
)
SYSMON = (
    "Microsoft-Windows-Sysmon",
    "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}",
    "Microsoft-Windows-Sysmon/Operational",
)
SERVICES = ("Service Control Manager", "{555908d1-a6d7-4695-8e1e-26931d2012f4}", "System")
UPDATES = (
    "Microsoft-Windows-WindowsUpdateClient",
    "{945a8954-c147-4acd-923f-40c45405a658}",
    "System",
)
EVENT_LOG = ("Microsoft-Windows-Eventlog", "{fc65ddd8-d6ef-4962-83d5-6e5cfe9ce148}", "Security")
DEFENDER = (
    "Microsoft-Windows-Windows Defender",
    "{11cd958a-c507-4ef3-b3f2-5fd9dfbd2c78}",
    "Microsoft-Windows-Windows Defender/Operational",
)
PRINTING = (
    "Microsoft-Windows-PrintService",
    "{747ef6fd-e535-4d16-b510-42c90f6873a1}",
    "Microsoft-Windows-PrintService/Operational",
)
Provider = tuple[str, str, str]  # name, GUID, channel
SUCCESS, FAILURE, OTHER = "0x8020000000000000", "0x8010000000000000", "0x8000000000000000"
SYSTEM_SID, NOBODY_SID = "S-1-5-18", "S-1-0-0"
NO_GUID = "{00000000-0000-0000-0000-000000000000}"


def event(
    at: datetime,
    machine: Machine,
    provider: Provider,
    code: int,
    data: Mapping[str, str],
    *,
    keywords: str = OTHER,
    task: int = 0,
    level: int = 4,
    version: int = 0,
    user_sid: str = "",
    user_data: str = "",
) -> Draft:
    """One event; ``user_data`` is the element, with its namespace, that stands in place of EventData."""
    name, guid, channel = provider
    security = f"<Security UserID='{user_sid}'/>" if user_sid else "<Security/>"
    if user_data:
        element = user_data.partition(" ")[0]
        inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in data.items())
        body = f"<UserData><{user_data}>{inner}</{element}></UserData>"
    else:
        inner = "".join(f"<Data Name='{key}'>{escape(value)}</Data>" for key, value in data.items())
        body = f"<EventData>{inner}</EventData>"
    text = (
        f"<Event xmlns='{SCHEMA}'><System><Provider Name='{name}' Guid='{guid}'/><EventID>{code}</EventID>"
        f"<Version>{version}</Version><Level>{level}</Level><Task>{task}</Task><Opcode>0</Opcode>"
        f"<Keywords>{keywords}</Keywords><TimeCreated SystemTime='{_time(at)}'/>"
        f"<EventRecordID>{NUMBER}</EventRecordID><Correlation/><Execution ProcessID='712' ThreadID='1180'/>"
        f"<Channel>{channel}</Channel><Computer>{machine.host}</Computer>{security}</System>{body}</Event>"
    )
    return Draft(at, "windows_xml", machine.host, channel, text)


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def logged_on(
    at: datetime, machine: Machine, person: Person, kind: int, address: str, port: int
) -> Draft:
    """4624. ``kind``: 2 at the keyboard, 3 over the network, 7 unlocked, 10 remote desktop."""
    remote = kind in (3, 10)
    data = _subject(machine) if kind != 3 else _nobody()
    data |= {
        "TargetUserSid": person.sid,
        "TargetUserName": person.login,
        "TargetDomainName": NETBIOS,
        "TargetLogonId": session(at, person),
        "LogonType": str(kind),
        "LogonProcessName": "Kerberos" if kind == 3 else "User32 ",
        "AuthenticationPackageName": "Kerberos" if kind == 3 else "Negotiate",
        "WorkstationName": "-" if kind == 3 else machine.name,
        "LogonGuid": NO_GUID,
        "TransmittedServices": "-",
        "LmPackageName": "-",
        "KeyLength": "0",
        "ProcessId": "0x0" if kind == 3 else "0x3a8",
        "ProcessName": "-" if kind == 3 else r"C:\Windows\System32\svchost.exe",
        "IpAddress": address if remote else "127.0.0.1",
        "IpPort": str(port) if remote else "0",
        "ImpersonationLevel": "%%1833",
        "RestrictedAdminMode": "-",
        "TargetOutboundUserName": "-",
        "TargetOutboundDomainName": "-",
        "VirtualAccount": "%%1843",
        "TargetLinkedLogonId": "0x0",
        "ElevatedToken": "%%1843",
    }
    return event(
        at, machine, SECURITY, 4624, data, keywords=SUCCESS, task=12544, level=0, version=2
    )


def logged_off(at: datetime, machine: Machine, person: Person, kind: int, since: datetime) -> Draft:
    """4634, of the session that ``logged_on`` at ``since`` began."""
    data = {
        "TargetUserSid": person.sid,
        "TargetUserName": person.login,
        "TargetDomainName": NETBIOS,
        "TargetLogonId": session(since, person),
        "LogonType": str(kind),
    }
    return event(at, machine, SECURITY, 4634, data, keywords=SUCCESS, task=12545, level=0)


def log_on_failed(
    at: datetime, machine: Machine, login: str, kind: int, address: str, *, known: bool = True
) -> Draft:
    """4625: a wrong password, or a name that nobody has."""
    data = (_nobody() if kind == 3 else _subject(machine)) | {
        "TargetUserSid": NOBODY_SID,
        "TargetUserName": login,
        "TargetDomainName": NETBIOS,
        "Status": "0xc000006d",
        "FailureReason": "%%2313",
        "SubStatus": "0xc000006a" if known else "0xc0000064",
        "LogonType": str(kind),
        "LogonProcessName": "NtLmSsp " if kind == 3 else "User32 ",
        "AuthenticationPackageName": "NTLM" if kind == 3 else "Negotiate",
        "WorkstationName": machine.name,
        "TransmittedServices": "-",
        "LmPackageName": "-",
        "KeyLength": "0",
        "ProcessId": "0x0" if kind == 3 else "0x3a8",
        "ProcessName": "-" if kind == 3 else r"C:\Windows\System32\svchost.exe",
        "IpAddress": address,
        "IpPort": "0",
    }
    return event(at, machine, SECURITY, 4625, data, keywords=FAILURE, task=12544, level=0)


def process_audited(
    at: datetime, machine: Machine, person: Person, image: str, command: str, parent: str
) -> Draft:
    """4688, as servers without Sysmon have it."""
    data = _subject(machine, person, at) | {
        "NewProcessId": hex(process_id(at, image)),
        "NewProcessName": image,
        "TokenElevationType": "%%1936",
        "ProcessId": hex(process_id(at, parent)),
        "CommandLine": command,
        "TargetUserSid": NOBODY_SID,
        "TargetUserName": "-",
        "TargetDomainName": "-",
        "TargetLogonId": "0x0",
        "ParentProcessName": parent,
        "MandatoryLabel": "S-1-16-8192",
    }
    return event(
        at, machine, SECURITY, 4688, data, keywords=SUCCESS, task=13312, level=0, version=2
    )


def process_started(
    at: datetime, machine: Machine, person: Person, image: str, command: str, parent: str
) -> Draft:
    """Sysmon 1."""
    name = image.rpartition("\\")[2]
    data = {
        "RuleName": "-",
        "UtcTime": _sysmon_time(at),
        "ProcessGuid": _guid(machine.name, at, image),
        "ProcessId": str(process_id(at, image)),
        "Image": image,
        "FileVersion": "10.0.19041.4522",
        "Description": name.removesuffix(".exe"),
        "Product": "-",
        "Company": "-",
        "OriginalFileName": name,
        "CommandLine": command,
        "CurrentDirectory": f"C:\\Users\\{person.login}\\",
        "User": f"{NETBIOS}\\{person.login}",
        "LogonGuid": _guid(machine.name, person.login),
        "LogonId": session(at.replace(hour=0, minute=0, second=0, microsecond=0), person),
        "TerminalSessionId": "1",
        "IntegrityLevel": "Medium",
        "Hashes": f"SHA256={hashlib.sha256(image.encode()).hexdigest().upper()}",
        "ParentProcessGuid": _guid(machine.name, parent),
        "ParentProcessId": str(process_id(at, parent)),
        "ParentImage": parent,
        "ParentCommandLine": f'"{parent}"',
        "ParentUser": f"{NETBIOS}\\{person.login}",
    }
    return event(at, machine, SYSMON, 1, data, task=1, version=5, user_sid=SYSTEM_SID)


def name_asked(at: datetime, machine: Machine, image: str, name: str, answer: str) -> Draft:
    """Sysmon 22."""
    data = {
        "RuleName": "-",
        "UtcTime": _sysmon_time(at),
        "ProcessGuid": _guid(machine.name, image),
        "ProcessId": str(process_id(at, image)),
        "QueryName": name,
        "QueryStatus": "0",
        "QueryResults": f"::ffff:{answer};",
        "Image": image,
        "User": f"{NETBIOS}\\{machine.person.login}",
    }
    return event(at, machine, SYSMON, 22, data, task=22, version=5, user_sid=SYSTEM_SID)


def ticket_granted(at: datetime, server: Machine, person: Person, address: str) -> Draft:
    """4768 of a domain controller."""
    data = {
        "TargetUserName": person.login,
        "TargetDomainName": DOMAIN.upper(),
        "TargetSid": person.sid,
        "ServiceName": "krbtgt",
        "ServiceSid": f"{person.sid.rpartition('-')[0]}-502",
        "TicketOptions": "0x40810010",
        "Status": "0x0",
        "TicketEncryptionType": "0x12",
        "PreAuthType": "2",
        "IpAddress": f"::ffff:{address}",
        "IpPort": "50270",
        "CertIssuerName": "",
        "CertSerialNumber": "",
        "CertThumbprint": "",
    }
    return event(at, server, SECURITY, 4768, data, keywords=SUCCESS, task=14339, level=0)


def service_ticket(
    at: datetime,
    server: Machine,
    person: Person,
    address: str,
    service: str,
    encryption: str = "0x12",
) -> Draft:
    """4769 of a domain controller. ``encryption``: 0x12 AES-256, 0x17 RC4."""
    data = {
        "TargetUserName": f"{person.login}@{DOMAIN.upper()}",
        "TargetDomainName": DOMAIN.upper(),
        "ServiceName": service,
        "ServiceSid": f"{person.sid.rpartition('-')[0]}-1601",
        "TicketOptions": "0x40810000",
        "TicketEncryptionType": encryption,
        "IpAddress": f"::ffff:{address}",
        "IpPort": "50271",
        "Status": "0x0",
        "LogonGuid": NO_GUID,
        "TransmittedServices": "-",
    }
    return event(at, server, SECURITY, 4769, data, keywords=SUCCESS, task=14337, level=0)


def service_installed(at: datetime, machine: Machine, name: str, command: str) -> Draft:
    """7045."""
    data = {
        "ServiceName": name,
        "ImagePath": command,
        "ServiceType": "user mode service",
        "StartType": "demand start",
        "AccountName": "LocalSystem",
    }
    return event(
        at, machine, SERVICES, 7045, data, keywords="0x8080000000000000", user_sid=SYSTEM_SID
    )


def update_installed(at: datetime, machine: Machine, title: str) -> Draft:
    """19 of the Windows Update client."""
    data = {
        "updateTitle": title,
        "updateGuid": _guid(title),
        "updateRevisionNumber": "200",
        "serviceGuid": "{9482f4b4-e343-43b6-b170-9a65bc822c77}",
    }
    return event(
        at, machine, UPDATES, 19, data, keywords="0x8000000000000018", task=1, user_sid=SYSTEM_SID
    )


def printed(at: datetime, machine: Machine, person: Person, title: str, pages: int) -> Draft:
    """307 of the print service; the order of the parameters is that of [MS-RPRN] 2.2.1.15.5."""
    texts = ("7", title, person.login, f"\\\\{machine.name}", "May-in-tang-2", "10.12.9.20")
    data = {
        f"Param{place}": text
        for place, text in enumerate((*texts, str(pages * 41_200), str(pages)), 1)
    }
    namespace = "DocumentPrinted xmlns='http://manifests.microsoft.com/win/2005/08/windows/printing/spooler/core/events'"
    return event(
        at, machine, PRINTING, 307, data, task=26, user_sid=person.sid, user_data=namespace,
        keywords="0x4000000000000840",
    )  # fmt: skip


def log_cleared(at: datetime, machine: Machine, person: Person) -> Draft:
    """1102."""
    data = {
        "SubjectUserSid": person.sid,
        "SubjectUserName": person.login,
        "SubjectDomainName": NETBIOS,
        "SubjectLogonId": session(at, person),
    }
    namespace = "LogFileCleared xmlns='http://manifests.microsoft.com/win/2004/08/windows/eventlog'"
    return event(
        at,
        machine,
        EVENT_LOG,
        1102,
        data,
        keywords="0x4020000000000000",
        task=104,
        user_data=namespace,
    )


def account_created(at: datetime, machine: Machine, by: Person, login: str, sid: str) -> Draft:
    """4720."""
    data = {
        "TargetUserName": login,
        "TargetDomainName": NETBIOS,
        "TargetSid": sid,
        **_subject(machine, by, at),
        "PrivilegeList": "-",
        "SamAccountName": login,
        "DisplayName": "%%1793",
        "UserPrincipalName": f"{login}@{DOMAIN}",
        **dict.fromkeys(
            ("HomeDirectory", "HomePath", "ScriptPath", "ProfilePath", "UserWorkstations"), "%%1793"
        ),
        "PasswordLastSet": "%%1794",
        "AccountExpires": "%%1794",
        "PrimaryGroupId": "513",
        "AllowedToDelegateTo": "-",
        "OldUacValue": "0x0",
        "NewUacValue": "0x15",
        "UserAccountControl": "%%2080 %%2082 %%2084",
        "UserParameters": "%%1793",
        "SidHistory": "-",
        "LogonHours": "%%1797",
    }
    return event(at, machine, SECURITY, 4720, data, keywords=SUCCESS, task=13824, level=0)


def member_added(at: datetime, machine: Machine, by: Person, login: str, sid: str) -> Draft:
    """4728: into Domain Admins."""
    data = {
        "MemberName": f"CN={login},CN=Users,DC=tinh,DC=example",
        "MemberSid": sid,
        "TargetUserName": "Domain Admins",
        "TargetDomainName": NETBIOS,
        "TargetSid": f"{sid.rpartition('-')[0]}-512",
        **_subject(machine, by, at),
        "PrivilegeList": "-",
    }
    return event(at, machine, SECURITY, 4728, data, keywords=SUCCESS, task=13826, level=0)


def share_opened(at: datetime, machine: Machine, person: Person, address: str, share: str) -> Draft:
    """5140."""
    data = {
        **_subject(machine, person, at),
        "ObjectType": "File",
        "IpAddress": address,
        "IpPort": "49811",
        "ShareName": f"\\\\*\\{share}",
        "ShareLocalPath": "\\??\\C:\\Windows" if share == "ADMIN$" else f"\\??\\D:\\{share}",
        "AccessMask": "0x1",
        "AccessList": "%%4416",
    }
    return event(
        at, machine, SECURITY, 5140, data, keywords=SUCCESS, task=12808, level=0, version=1
    )


def protection_off(at: datetime, machine: Machine) -> Draft:
    """5001 of Defender: real-time protection is disabled."""
    data = {"Product Name": "Microsoft Defender Antivirus", "Product Version": "4.18.26040.7"}
    return event(at, machine, DEFENDER, 5001, data, user_sid=SYSTEM_SID)


def scanned(at: datetime, machine: Machine) -> Draft:
    """1001 of Defender: a scan has finished."""
    data = {
        "Product Name": "Microsoft Defender Antivirus",
        "Product Version": "4.18.26040.7",
        "Scan ID": _guid(machine.name, at),
        "Scan Type": "Antimalware",
        "Scan Parameters": "Quick Scan",
        "Domain": "NT AUTHORITY",
        "User": "SYSTEM",
        "SID": SYSTEM_SID,
    }
    return event(at, machine, DEFENDER, 1001, data, user_sid=SYSTEM_SID)


def session(at: datetime, person: Person) -> str:
    """A log-on identifier that can be made again from the moment and the person."""
    return hex((int(at.timestamp() * 1000) * 31 + person.number) % 2**28 + 2**20)


def process_id(at: datetime, image: str) -> int:
    """A process identifier: a multiple of four, as Windows gives them."""
    return (int(at.timestamp()) * 7 + len(image) * 131) % 16_000 // 4 * 4 + 1_000


def _sysmon_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _guid(*parts: object) -> str:
    hexes = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=16).hexdigest()
    return f"{{{hexes[:8]}-{hexes[8:12]}-{hexes[12:16]}-{hexes[16:20]}-{hexes[20:]}}}"


def _nobody() -> dict[str, str]:
    names = ("SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId")
    return dict(zip(names, (NOBODY_SID, "-", "-", "0x0"), strict=True))


def _subject(
    machine: Machine, person: Person | None = None, at: datetime | None = None
) -> dict[str, str]:
    """Who acted: a person, or the machine itself."""
    if person is None or at is None:
        sid, login, number = SYSTEM_SID, f"{machine.name}$", "0x3e7"
    else:
        sid, login, number = person.sid, person.login, session(at, person)
    return {
        "SubjectUserSid": sid,
        "SubjectUserName": login,
        "SubjectDomainName": NETBIOS,
        "SubjectLogonId": number,
    }
