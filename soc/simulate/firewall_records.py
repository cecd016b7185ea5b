"""FortiGate lines. Fields and log numbers: "Sample logs by log type" of the FortiOS 6.4 administration guide."""

from __future__ import annotations

from datetime import datetime

from soc.simulate.record import VIETNAM, Draft
from soc.simulate.site import DOMAIN

FIREWALL = "FG-SYNTHETIC"
PUBLIC = "198.51.100.2"  # where the province's traffic comes from, seen from outside
HOST = f"{FIREWALL.lower()}.{DOMAIN}"


def line(
    at: datetime, logid: str, kind: str, subtype: str, rest: str, level: str = "notice"
) -> Draft:
    local = at.astimezone(VIETNAM)
    text = (
        f'<189>date={local:%Y-%m-%d} time={local:%H:%M:%S} devname="{FIREWALL}" devid="FGT60FTK00000000" '
        f'eventtime={int(at.timestamp() * 1_000_000) * 1000} tz="+0700" logid="{logid}" type="{kind}" '
        f'subtype="{subtype}" level="{level}" vd="root" {rest}'
    )
    return Draft(at, "fortigate", HOST, "", text)


def passed(
    at: datetime,
    source: str,
    destination: str,
    port: int,
    service: str,
    sent: int,
    received: int,
    seconds: int = 30,
) -> Draft:
    """Traffic from inside that was let through."""
    protocol = 17 if port == 53 else 6
    rest = (
        f'srcip={source} srcport={49_152 + sent % 16_000} srcintf="lan" srcintfrole="lan" dstip={destination} '
        f'dstport={port} dstintf="wan1" dstintfrole="wan" srccountry="Reserved" dstcountry="Reserved" '
        f'sessionid={100_000 + received % 900_000} proto={protocol} action="{"accept" if protocol == 17 else "close"}" '
        f'policyid=12 policytype="policy" service="{service}" trandisp="snat" transip={PUBLIC} transport=50000 '
        f"duration={seconds} sentbyte={sent} rcvdbyte={received} sentpkt={sent // 900 + 1} "
        f'rcvdpkt={received // 1200 + 1} appcat="unscanned"'
    )
    return line(at, "0000000013", "traffic", "forward", rest)


def denied(at: datetime, source: str, destination: str, port: int) -> Draft:
    """Traffic from outside that no policy lets in."""
    rest = (
        f'srcip={source} srcport=41022 srcintf="wan1" dstip={destination} dstport={port} dstintf="dmz" sessionid=7 '
        f'proto=6 action="deny" policyid=0 service="tcp/{port}" sentbyte=0 rcvdbyte=0'
    )
    return line(at, "0000000013", "traffic", "forward", rest, "warning")


def resolved(at: datetime, source: str, server: str, name: str, kind: str = "A") -> Draft:
    """A name that a machine asked for through the DNS filter."""
    number = {"A": 1, "AAAA": 28, "TXT": 16}[kind]
    rest = (
        f'policyid=12 sessionid=6887 srcip={source} srcport=50002 srcintf="lan" srcintfrole="lan" dstip={server} '
        f'dstport=53 dstintf="wan1" dstintfrole="wan" proto=17 profile="default" xid=57945 qname="{name}" '
        f'qtype="{kind}" qtypeval={number} qclass="IN"'
    )
    return line(at, "1500054000", "utm", "dns", f'eventtype="dns-query" {rest}', "information")


def vpn(at: datetime, user: str, address: str, *, up: bool) -> Draft:
    """An SSL VPN log-in refused, or its tunnel up."""
    action, number = ("tunnel-up", "0101039424") if up else ("ssl-login-fail", "0101039426")
    reason = "login successfully" if up else "sslvpn_login_permission_denied"
    rest = (
        f'logdesc="SSL VPN {"tunnel up" if up else "login fail"}" action="{action}" tunneltype="ssl-web" tunnelid=0 '
        f'remip={address} user="{user}" group="VPN" dst_host="N/A" reason="{reason}" msg="SSL {action}"'
    )
    return line(at, number, "event", "vpn", rest, "information" if up else "alert")


def administrator(at: datetime, user: str, address: str) -> Draft:
    """An administrator's log-in at the firewall."""
    rest = (
        f'logdesc="Admin login successful" sn="1455302892" user="{user}" ui="https({address})" method="https" '
        f'srcip={address} dstip=10.12.0.1 action="login" status="success" reason="none" profile="super_admin" '
        f'msg="Administrator {user} logged in successfully from https({address})"'
    )
    return line(at, "0100032001", "event", "system", rest, "information")
