"""A province's corner in network namespaces, once by IPv4 and once by IPv6 alone: four attacks, one alert each.

A firewall sends by TLS to a relay whose line to the centre is cut meanwhile; a sensor watches a link on which a machine
scans and calls out; Suricata speaks of one of the same flows. Before that, ordinary traffic raises nothing.
The cut lasts ``SOC_CUT_SECONDS`` (ten minutes with ``make long-namespaces``).
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select

from bench.running_site import RunningSite, running_site
from collectors.sensor.community import community_id
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.database import Database
from soc.settings import Settings
from soc.shipped import folder
from soc.store.embedded import EmbeddedStore
from tests.agent.test_syslog_tls import a_certificate
from tests.flow.namespace import own_network
from tests.flow.test_shared_systems import soc

pytestmark = [pytest.mark.slow, pytest.mark.root]
PROVINCE = Scope.province("tests")
CUT_SECONDS = float(os.environ.get("SOC_CUT_SECONDS", "20"))
CALLS, EVERY_SECONDS = 15, 4.0
QUICK = {
    "beacon": {"calls": 12, "lasts": "40s", "shortest": "2s"}
}  # a beacon of a minute instead of hours
RULES = {
    "password": "8073fa23-2313-5993-a525-8d6627277974",
    "intrusion": "b29939d5-d47a-51cf-9e81-ff788c2cd780",
    "scan": "soc-scan-wide",
    "beacon": "soc-beacon",
}
CALLER = """
import socket, sys, time
victim, outside, port, calls, every = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
for n in range(calls):
    began = time.monotonic()
    with socket.create_connection((outside, port), 5, source_address=(victim, 0)) as one:
        print(one.getsockname()[1], time.time(), flush=True)
        one.sendall(b"x" * 40)
        one.recv(100)
    time.sleep(max(every - (time.monotonic() - began), 0))
"""
SCANNER = """
import socket, sys
victim, *targets = sys.argv[1:]
for target in targets:
    one = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET)
    one.bind((victim, 0))
    one.settimeout(2)
    try:
        one.connect((target, 445))
    except OSError:
        pass
    one.close()
"""
DEVICE = """
import socket, ssl, sys, time
ca, host, port, source = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
with socket.create_connection((host, port), 10, source_address=(source, 0)) as plain, context.wrap_socket(plain) as one:
    for line in sys.stdin.buffer:
        one.sendall(line)
    one.unwrap()
"""


@dataclass(frozen=True)
class Family:
    """The addresses of one run."""

    bits: int
    centre: str  # on no link, so that a link that is cut does not take it away
    near: str  # the centre's end of the relay's line
    relay: str
    firewall: str
    victim: str
    watched: str  # the centre's end of the watched link
    outside: str
    targets: tuple[str, ...]
    ranges: tuple[str, str]  # of the firewall's network and the victim's

    def at(self, address: str) -> str:
        return f"[{address}]" if ":" in address else address


FAMILIES = {
    "IPv4": Family(
        32, "172.31.9.1", "172.31.8.1", "172.31.8.2", "10.20.0.1", "10.20.1.7", "10.20.1.1", "203.0.113.9",
        tuple(f"10.20.1.{n}" for n in range(20, 60)), ("10.20.0.0/24", "10.20.1.0/24"),
    ),
    "IPv6": Family(
        128, "2001:db8:99::1", "2001:db8:98::1", "2001:db8:98::2", "2001:db8:20::1", "2001:db8:20:1::7",
        "2001:db8:20:1::1", "2001:db8:ffff::9", tuple(f"2001:db8:20:1::{n:x}" for n in range(20, 60)),
        ("2001:db8:20::/64", "2001:db8:20:1::/64"),
    ),
}  # fmt: skip


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def namespaces(family: Family) -> Iterator[tuple[str, str]]:
    """The relay's and the victim's, each on a link of its own to the centre."""
    relay, victim = (f"soc-{name}-{os.getpid()}-{family.bits}" for name in ("relay", "victim"))
    wide = "24" if family.bits == 32 else "64"
    no_wait = ["nodad"] if family.bits == 128 else []
    with own_network([family.centre]), ExitStack() as undo:
        for name in (relay, victim):
            ip("netns", "add", name)
            undo.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
            ip("-n", name, "link", "set", "lo", "up")
        for link, name, ours, theirs in (
            ("line0", relay, family.near, family.relay),
            ("watch0", victim, family.watched, family.victim),
        ):
            ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("addr", "add", f"{ours}/{wide}", "dev", link, *no_wait)
            ip("link", "set", link, "up")
            ip("-n", name, "addr", "add", f"{theirs}/{wide}", "dev", "eth0", *no_wait)
            ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", relay, "addr", "add", f"{family.firewall}/{family.bits}", "dev", "lo", *no_wait)
        for address in (family.outside, *family.targets):
            ip("addr", "add", f"{address}/{family.bits}", "dev", "watch0", *no_wait)
        ip("-n", victim, "route", "add", "default", "via", family.watched)
        ip("-n", relay, "route", "add", family.centre, "via", family.near)
        yield relay, victim


def within(namespace: str, script: str, *arguments: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, sys.executable, "-c", script, *arguments]


class Answer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(100)
        self.request.sendall(b"y" * 90)


class Outside(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, address: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, 443), Answer)


def refused_log_in(n: int) -> bytes:
    now = datetime.now(UTC)
    return (
        f'<188>date={now:%Y-%m-%d} time={now:%H:%M:%S} tz="+0000" devname="FW-SO" devid="FGT" vd="root" '
        f'logid="0100032002" type="event" subtype="system" level="alert" logdesc="Admin login failed" sn="{n}" '
        'user="admin" ui="https(198.51.100.7)" srcip=198.51.100.7 action="login" status="failed" '
        'reason="passwd_invalid" msg="Administrator admin login failed"\n'
    ).encode()


def agent(home: Path, *arguments: str, namespace: str = "") -> list[str]:
    there = ["ip", "netns", "exec", namespace] if namespace else []
    return [*there, sys.executable, "-m", "collectors.agent.main", *arguments, "--home", str(home)]


def start_agent(
    site: RunningSite, family: Family, home: Path, name: str, inputs: list[Any], namespace: str = ""
) -> subprocess.Popen[bytes]:
    """Enrolled as a relay that may speak for everybody, and running."""
    wide = ("--relay", "0.0.0.0/0", "--relay", "::/0")
    token = json.loads(soc(site, "agents", "token", "--agency", "skhcn", *wide, "--json"))["token"]
    door = f"https://{family.at(family.centre)}:{site.environment['SOC_DOOR_PORT']}"
    joined = [
        "--platform",
        door,
        "--ca",
        str(site.home / "keys" / "ca.pem"),
        "--token",
        token,
        "--name",
        name,
    ]
    subprocess.run([*agent(home, "enrol", namespace=namespace), *joined], check=True, timeout=120)
    (home / "agent.yaml").write_text(json.dumps({"inputs": inputs}))
    return subprocess.Popen(agent(home, "run", namespace=namespace))


def alerts(site: RunningSite) -> dict[str, AlertRow]:
    database = Database(f"sqlite:///{site.home / 'soc.sqlite'}")
    try:
        with database.session(PROVINCE) as session:
            rows = session.scalars(select(AlertRow)).all()
    finally:
        database.close()
    wanted = {rule: name for name, rule in RULES.items()}
    found = {wanted[row.rule_id]: row for row in rows if row.rule_id in wanted}
    network = [row for row in rows if row.rule_id in wanted or row.rule_id.startswith("soc-")]
    assert len(network) == len(found), [row.rule_title for row in network]
    return found


def events(site: RunningSite, query: str) -> list[Any]:
    settings = Settings(home=site.home)
    store = EmbeddedStore(settings.events_home, months=settings.retention_months, writable=False)
    try:
        return list(store.scan(PROVINCE, query))
    finally:
        store.close()


def until(what: str, is_so: Any, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.5)
    return found


def register(family: Family) -> dict[str, Any]:
    above = {"id": "ubnd-tinh", "code": "H99", "name": "UBND tỉnh"}
    below = [
        {"id": key, "code": f"H99.{n:02}", "name": key.upper(), "parent": "ubnd-tinh"}
        for n, key in enumerate(("skhcn", "sxd"), 1)
    ]
    return {
        "format": 1,
        "agencies": [above, *below],
        "systems": [
            {"id": "HT-11", "name": "Hồ sơ cấp phép", "owner": "ubnd-tinh", "operator": "sxd", "level": 3},
            {"id": "HT-12", "name": "Tường lửa Sở", "owner": "ubnd-tinh", "operator": "sxd", "level": 2},
        ],
        "ranges": [
            {"cidr": family.ranges[0], "agency": "sxd", "system": "HT-12"},
            {"cidr": family.ranges[1], "agency": "sxd", "system": "HT-11"},
        ],
    }  # fmt: skip


@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_each_attack_is_one_alert_and_a_quiet_time_raises_none(tmp_path: Path, family: Family):
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "baselines.yaml").write_text(yaml.safe_dump(QUICK))
    rules = json.dumps([str(folder("rules")), str(tmp_path / "numbers")])
    (tmp_path / "keys").mkdir()
    a_certificate(tmp_path / "keys", "ca")
    a_certificate(tmp_path / "keys", "relay", "ca")
    eve = tmp_path / "eve.json"
    eve.touch()
    with ExitStack() as stack:
        relay, victim = stack.enter_context(namespaces(family))
        site = stack.enter_context(
            running_site(tmp_path / "site", door_host=family.centre, rules=rules)
        )
        (tmp_path / "register.yaml").write_text(
            yaml.safe_dump(register(family), allow_unicode=True)
        )
        soc(site, "register", "import", str(tmp_path / "register.yaml"))
        tls = {"kind": "syslog", "tls": f"{family.at(family.relay)}:6514",
               "certificate": str(tmp_path / "keys/relay.pem"), "key": str(tmp_path / "keys/relay.key")}  # fmt: skip
        watching = [{"kind": "sensor", "interface": "watch0"},
                    {"kind": "file", "paths": [str(eve)], "source": "suricata", "from": "start"}]  # fmt: skip
        for name, inputs, where in (("relay-so", [tls], relay), ("sensor-so", watching, "")):
            process = start_agent(site, family, tmp_path / name, name, inputs, where)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        for agency in ("skhcn", "sxd"):
            soc(site, "agencies", "state", agency, "active", "--reason", "known for years")
        outside = stack.enter_context(Outside(family.outside))
        threading.Thread(target=outside.serve_forever, daemon=True).start()
        stack.callback(outside.shutdown)

        called = (family.victim, family.outside, "443")
        # a quiet time: a person at a page, a log-in that fails once
        subprocess.run(
            within(victim, CALLER, *called, "3", "0.3"), check=True, stdout=subprocess.DEVNULL
        )
        device = [str(tmp_path / "keys/ca.pem"), family.relay, "6514", family.firewall]
        until("the relay's door", lambda: say(relay, device, [refused_log_in(0)]), 60)
        until(
            "the quiet time's flows",
            lambda: (
                len(
                    events(
                        site, f'event.dataset:"sensor.flow" AND destination.ip:"{family.outside}"'
                    )
                )
                >= 3
            ),
            90,
        )
        until("the quiet time's line", lambda: events(site, 'event.dataset:"fortigate.event"'), 60)
        assert alerts(site) == {}

        # the line of the relay is cut; the firewall goes on speaking to the relay
        ip("link", "set", "line0", "down")
        cut = time.monotonic()
        assert say(relay, device, [refused_log_in(n) for n in range(1, 9)])
        subprocess.run(within(victim, SCANNER, family.victim, *family.targets), check=True)
        calls = within(victim, CALLER, *called, str(CALLS), str(EVERY_SECONDS))
        calling = stack.enter_context(subprocess.Popen(calls, stdout=subprocess.PIPE))
        assert calling.stdout is not None
        sport = int(calling.stdout.readline().split()[0])
        identity = community_id(
            6, ip_address(family.victim).packed, ip_address(family.outside).packed, sport, 443
        )
        with eve.open("a") as file:
            said = {
                "timestamp": datetime.now(UTC).isoformat(),
                "event_type": "alert",
                "src_ip": family.victim,
                "src_port": sport,
                "dest_ip": family.outside,
                "dest_port": 443,
                "proto": "TCP",
                "community_id": identity,
                "alert": {"action": "allowed", "signature_id": 1, "signature": "C2", "severity": 1},
            }
            file.write(json.dumps(said) + "\n")
        until("scan and intrusion", lambda: {"scan", "intrusion"} <= alerts(site).keys(), 180)
        assert "password" not in alerts(site)
        time.sleep(max(CUT_SECONDS - (time.monotonic() - cut), 0))
        ip("link", "set", "line0", "up")
        if family.bits == 128:  # addresses of a link that was down are gone
            ip("addr", "replace", f"{family.near}/64", "dev", "line0", "nodad")
        until("the password attack", lambda: "password" in alerts(site), 120)
        assert calling.wait(300) == 0
        found = until(
            "all four", lambda: now if (now := alerts(site)).keys() == RULES.keys() else None, 60
        )

        assert {row.agency_id for row in found.values()} == {"sxd"}
        assert (found["password"].host, found["password"].system_id) == ("FW-SO", "HT-12")
        assert {found[name].system_id for name in ("scan", "beacon", "intrusion")} == {"HT-11"}
        for name in ("scan", "beacon"):
            assert found[name].entity == f"source.ip:{family.victim}"
        assert found["beacon"].fields["soc.baseline.interval_seconds"] == pytest.approx(
            EVERY_SECONDS, rel=0.15
        )
        assert len(events(site, 'event.dataset:"fortigate.event"')) == 9
        of_the_flow = f'network.community_id:"{identity}" AND event.dataset:'
        until(
            "the sensor's flow of the intrusion",
            lambda: events(site, f'{of_the_flow}"sensor.flow"'),
            120,
        )
        assert len(events(site, f'{of_the_flow}"suricata.alert"')) == 1
        assert found["intrusion"].fields["network.community_id"] == identity


def say(namespace: str, device: list[str], lines: list[bytes]) -> bool:
    """Whether the device could say its lines."""
    command = within(namespace, DEVICE, *device)
    done = subprocess.run(command, input=b"".join(lines), stderr=subprocess.DEVNULL, timeout=60)
    return done.returncode == 0
