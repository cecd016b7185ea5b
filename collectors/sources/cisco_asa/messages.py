"""The messages of an ASA that are read: number, words, what kind of event it is, and its action.

Each part of an expression is bounded, and what stands between two parts cannot be part of them.
"""

# ruff: noqa: E501 - one message a line is easier to compare with the vendor's reference

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_FROM = r"(?P<sif>[^:\s]{1,64}):(?P<sip>[^/\s(]{1,64})/(?P<sport>\d{1,6})"
_TO = r"(?P<dif>[^:\s]{1,64}):(?P<dip>[^/\s(]{1,64})/(?P<dport>\d{1,6})"
_PLAIN = r"from \(?(?P<sip>[^/\s()]{1,64})\)?(?:/(?P<sport>\d{1,6}))? to (?P<dip>[^/\s]{1,64})(?:/(?P<dport>\d{1,6}))?"
_BY = r"(?: ?\((?!type )(?P<suser>[^()]{1,160})\))?"
_FOR = r"(?: ?\((?!type )(?P<duser>[^()]{1,160})\))?"
_SESSION = r"Group <?(?P<group>[^<>]{1,80}?)>? User <?(?P<user>[^<>]{1,128}?)>? IP <?(?P<sip>[0-9A-Fa-f:.]{2,45})>? "
_AAA = r"AAA user \w{1,20} (?P<verdict>\w{1,20}) ?:(?: reason = (?P<reason>[^:]{1,120}?) :)?(?: server = *(?P<server>\S{1,64}) :)?(?: local database :)? user = (?P<user>.{1,128}?)(?: : user IP = (?P<sip>\S{1,45}))?$"
_BUILT = (
    rf"Built (?P<way>inbound|outbound) (?P<proto>\w{{1,10}}) connection (?P<connection>\d{{1,20}}) for {_FROM} "
    rf"\((?P<snat>[^/)]{{1,64}})/(?P<snatport>\d{{1,6}})\){_BY} to {_TO} \((?P<dnat>[^/)]{{1,64}})/(?P<dnatport>\d{{1,6}})\){_FOR}"
)
_TEARDOWN = (
    rf"Teardown (?P<proto>\w{{1,10}}) connection (?P<connection>\d{{1,20}}) for {_FROM}{_BY}(?: \S{{1,64}})? to {_TO}{_FOR}(?: \S{{1,64}})? "
    r"duration (?P<duration>\d{1,5}:\d\d:\d\d) bytes (?P<bytes>\d{1,20})(?: (?P<reason>[^(]{1,120}))?"
)
_ICMP = (
    r"(?:Built (?P<way>inbound|outbound)|Teardown) (?P<proto>ICMP) connection for faddr (?P<sip>[^/\s]{1,64})/(?P<icmp_id>\d{1,6})"
    rf"{_BY} gaddr (?P<dnat>[^/\s]{{1,64}})/\d{{1,6}} laddr (?P<dip>[^/\s]{{1,64}})/\d{{1,6}}{_FOR}(?: type (?P<icmp_type>\d{{1,3}}) code (?P<icmp_code>\d{{1,3}}))?"
)
_XLATE = (
    rf"(?:Built|Teardown) \w{{1,10}} (?P<proto>\w{{1,10}}) translation from {_FROM}{_BY} to (?P<dif>[^:\s]{{1,64}}):(?P<nat>[^/\s(]{{1,64}})/(?P<natport>\d{{1,6}})"
    r"(?: duration (?P<duration>\d{1,5}:\d\d:\d\d))?"
)
_FILTER = (
    r"Dynamic Filter (?P<verdict>\w{1,12}) (?P<list>(?:white|black|grey) ?listed) (?P<proto>\w{1,10}) traffic from "
    rf"{_FROM} \((?P<snat>[^/)]{{1,64}})/(?P<snatport>\d{{1,6}})\) to {_TO} \((?P<dnat>[^/)]{{1,64}})/(?P<dnatport>\d{{1,6}})\)"
    r".{0,80}? resolved from \w{1,10} list: (?P<entry>[^\s,]{1,255})(?:, threat-level: (?P<level>[\w-]{1,20}), category: (?P<category>.{1,60}))?"
)
_ACL = (
    r"access-list (?P<acl>\S{1,128}) (?P<verdict>permitted|denied|est-allowed) (?P<proto>\S{1,12}) (?P<sif>[^/\s]{1,64})/(?P<sip>[^(\s]{1,64})"
    r"\((?P<sport>\d{1,6})\)(?:\((?P<suser>[^()]{1,160})\))? -> (?P<dif>[^/\s]{1,64})/(?P<dip>[^(\s]{1,64})\((?P<dport>\d{1,6})\)"
    r"(?:\((?P<duser>[^()]{1,160})\))? hit-cnt (?P<hits>\d{1,12})"
)
_GROUP = (
    r"Deny (?P<proto>protocol \d{1,3}|\S{1,12}) src (?P<sif>[^:\s]{1,64}):(?P<sip>[^/\s(]{1,64})(?:/(?P<sport>\d{1,6}))?"
    rf"{_BY} dst (?P<dif>[^:\s]{{1,64}}):(?P<dip>[^/\s(]{{1,64}})(?:/(?P<dport>\d{{1,6}}))?{_FOR}.{{0,80}}? by access-group \"(?P<acl>[^\"]{{1,128}})\""
)
_SRC_DST = (
    r"(?P<proto>\S{1,12}) src (?P<sif>[^:\s]{1,64}):(?P<sip>[^/\s(]{1,64})(?:/(?P<sport>\d{1,6}))? "
    r"dst (?P<dif>[^:\s]{1,64}):(?P<dip>[^/\s(]{1,64})(?:/(?P<dport>\d{1,6}))?"
)
_ON = r".{0,60}? on interface (?P<sif>\S{1,64})"
_LOGIN = (
    r"Login (?P<verdict>denied|permitted) from (?P<sip>[^/\s]{1,64})/(?P<sport>\d{1,6}) to (?P<dif>[^:\s]{1,64}):(?P<dip>[^/\s]{1,64})/"
    r"(?P<service>\S{1,20}) for user \"(?P<user>[^\"]{1,128})\""
)
_UNAME = r"User authentication (?P<verdict>succeeded|failed): (?:IP(?: address)?: (?P<sip>[^,\s]{1,45}), )?Uname: (?P<user>.{1,128})"
_TABLE: tuple[tuple[str, str, str, str], ...] = (
    ("106001", rf"Inbound (?P<proto>\S{{1,12}}) connection denied {_PLAIN} flags (?P<tcp_flags>[A-Z ]{{1,40}}?) +on interface (?P<sif>\S{{1,64}})", "denied", "connection-denied"),
    ("106006", rf"Deny inbound (?P<proto>\S{{1,12}}) {_PLAIN}{_ON}", "denied", "connection-denied"),
    ("106007", rf"Deny inbound (?P<proto>\S{{1,12}}) {_PLAIN} due to (?P<reason>.{{1,40}})", "denied", "connection-denied"),
    ("106010", rf"Deny inbound {_SRC_DST}", "denied", "connection-denied"),
    ("106014", rf"Deny inbound {_SRC_DST}", "denied", "connection-denied"),
    ("106015", rf"Deny (?P<proto>\S{{1,12}}) \((?P<reason>[^)]{{1,40}})\) {_PLAIN} flags (?P<tcp_flags>[A-Z ]{{1,40}}?) +on interface (?P<sif>\S{{1,64}})", "denied", "connection-denied"),
    ("106016", rf"Deny IP spoof {_PLAIN}{_ON}", "denied", "spoofed-address-denied"),
    ("106021", rf"Deny (?P<proto>\S{{1,12}}) reverse path check {_PLAIN}{_ON}", "denied", "spoofed-address-denied"),
    ("106023", _GROUP, "denied", "connection-denied"),
    ("106100", _ACL, "listed", ""),
    ("710003", r"(?P<proto>\S{1,12}) access denied by ACL from (?P<sip>[^/\s]{1,64})/(?P<sport>\d{1,6}) to (?P<dif>[^:\s]{1,64}):(?P<dip>[^/\s]{1,64})/(?P<dport>\d{1,6}|\S{1,20})", "denied", "management-access-denied"),
    ("302013", _BUILT, "built", "connection-started"),
    ("302015", _BUILT, "built", "connection-started"),
    ("302014", _TEARDOWN, "built", "connection-ended"),
    ("302016", _TEARDOWN, "built", "connection-ended"),
    ("302020", _ICMP, "built", "connection-started"),
    ("302021", _ICMP, "built", "connection-ended"),
    ("305011", _XLATE, "translated", "translation-built"),
    ("305012", _XLATE, "translated", "translation-removed"),
    *((code, _FILTER, "filtered", "dynamic-filter") for code in ("338001", "338002", "338003", "338004", "338005", "338006", "338007", "338008")),
    *((code, _AAA, "signed_in", "login") for code in ("113004", "113005", "113012", "113015")),
    ("605004", _LOGIN, "signed_in", "login"),
    ("605005", _LOGIN, "signed_in", "login"),
    ("611101", _UNAME, "signed_in", "login"),
    ("611102", _UNAME, "signed_in", "login"),
    ("113019", r"Group = (?P<group>[^,]{1,80}), Username = (?P<user>[^,]{1,128}), IP = (?P<sip>[^,\s]{1,45}), Session (?P<ended>disconnected)\. Session Type: (?P<session_type>[^,]{1,40}), Duration: (?P<session_duration>[^,]{1,40}), Bytes xmt: (?P<received>\d{1,20}), Bytes rcv: (?P<sent>\d{1,20}), Reason: (?P<reason>.{1,80})", "session", "vpn-session-ended"),
    ("113039", rf"{_SESSION}AnyConnect parent session started", "session", "vpn-session-started"),
    ("716001", rf"{_SESSION}WebVPN session started", "session", "vpn-session-started"),
    ("716002", rf"{_SESSION}WebVPN session (?P<ended>terminated): (?P<reason>.{{1,80}}?)\.?$", "session", "vpn-session-ended"),
    ("722022", rf"{_SESSION}(?P<proto>\S{{1,8}}) (?:SVC|AnyConnect|Secure Client)? ?connection established", "session", "vpn-connection-started"),
    ("722023", rf"{_SESSION}(?P<proto>\S{{1,8}}) (?:SVC|AnyConnect|Secure Client)? ?connection (?P<closed>terminated)", "session", "vpn-connection-ended"),
    ("722051", rf"{_SESSION}(?:IPv4 )?Address <(?P<assigned>[^<>]{{1,45}})>", "session", "vpn-address-assigned"),
    ("111008", r"User '(?P<user>[^']{1,128})' executed the '(?P<command>.{1,1000})' command", "commanded", "command-executed"),
    ("111010", r"User '(?P<user>[^']{1,128})', running '(?P<application>[^']{1,40})' from IP (?P<sip>[^,\s]{1,45}), executed '(?P<command>.{1,1000})'", "commanded", "command-executed"),
    ("111009", r"User '(?P<user>[^']{1,128})' executed cmd: (?P<command>.{1,1000})", "looked", "command-executed"),
    ("733100", r"\[ *(?P<object>[^\]]{1,80})\] drop (?P<rate>rate-\d{1,3}) exceeded", "threatened", "threat-detected"),
)  # fmt: skip
MESSAGES: Mapping[str, tuple[re.Pattern[str], str, str]] = MappingProxyType(
    {code: (re.compile(pattern), kind, action) for code, pattern, kind, action in _TABLE}
)
