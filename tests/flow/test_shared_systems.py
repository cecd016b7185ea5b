"""Lines of all shared systems through one relay: each event has its owner, each attack its alert, silence its name.

Real processes in a network of their own, where every device sends from its own address, by IPv4 or IPv6.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select, update

from bench.running_site import RunningSite, running_site
from soc.model.scope import Scope
from soc.records.agents import AgentRow, StreamRow
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.silence import HabitRow
from soc.settings import Settings
from soc.site.work import silence_watch
from soc.store.embedded import EmbeddedStore
from tests.flow.namespace import own_network
from tests.flow.shared_systems import RANGES, SYSTEMS

pytestmark = [pytest.mark.slow, pytest.mark.root]
PROVINCE = Scope.province("tests")
UNKNOWN, STRANGER = "192.0.2.99", "198.51.100.250"  # a device nobody has registered; who visits
PORT = 5140
ALERT_WITHIN_SECONDS = 2.0
SLOW_MACHINE = 4  # other work may share the cores of a test machine
BY_LEVEL = {  # severity and level of the system to priority: high 60, medium 40, times 0.9 to 1.3
    ("high", 1): 54, ("high", 2): 60, ("high", 3): 66, ("high", 4): 72, ("high", 5): 78,
    ("medium", 1): 36, ("medium", 2): 40, ("medium", 3): 44, ("medium", 4): 48, ("medium", 5): 52,
}  # fmt: skip


@dataclass(frozen=True)
class System:
    id: str
    agency: str
    level: int
    web: str
    ids: str
    firewall: str

    @property
    def number(self) -> int:
        return int(self.id.removeprefix("HT-"))

    @property
    def devices(self) -> tuple[str, str, str]:
        return self.web, self.ids, self.firewall


ALL = [
    System(name, agency, int(level), *rest)
    for name, agency, level, *rest in (line.split() for line in SYSTEMS.splitlines())
]


def register() -> dict[str, Any]:
    """The register file: agencies, systems and ranges; a part that was given away says from whom."""
    agencies = sorted({one.agency for one in ALL})
    owners = [line.split() for line in RANGES.splitlines()]
    ranges = []
    for cidr, agency, system in owners:
        entry = {"cidr": cidr, "agency": agency, "system": system}
        here = ip_network(cidr)
        around = [
            net
            for other, *_ in owners
            if (net := ip_network(other)).version == here.version
            and net != here
            and here.subnet_of(net)  # type: ignore[arg-type]
        ]
        if around:
            entry["inside"] = str(max(around, key=lambda net: net.prefixlen))
        ranges.append(entry)
    return {
        "format": 1,
        "agencies": [
            {"id": "ubnd-tinh", "code": "H99", "name": "UBND tỉnh"},
            *(
                {"id": name, "code": f"H99.{n:02}", "name": name, "parent": "ubnd-tinh"}
                for n, name in enumerate(agencies, 1)
            ),
        ],
        "systems": [
            {"id": s.id, "name": f"Hệ thống {s.id}", "owner": "ubnd-tinh", "operator": s.agency, "level": s.level}
            for s in ALL
        ],
        "ranges": ranges,
    }  # fmt: skip


def visit(request: str, client: str, status: int = 200) -> str:
    now = datetime.now(UTC)
    return (
        f"<134>{now:%b %e %H:%M:%S} web httpd: {client} - - [{now:%d/%b/%Y:%H:%M:%S} +0000]"
        f' "GET {request} HTTP/1.1" {status} 512 "-" "Mozilla/5.0"'
    )


def seen_by_ids(client: str, server: str, signature: dict[str, Any] | None) -> str:
    said: dict[str, Any] = {
        "timestamp": datetime.now(UTC).isoformat(), "event_type": "alert" if signature else "flow",
        "src_ip": client, "src_port": 40_000, "dest_ip": server, "dest_port": 443, "proto": "TCP",
    }  # fmt: skip
    said |= (
        {"alert": signature} if signature else {"flow": {"bytes_toserver": 9, "state": "closed"}}
    )
    return json.dumps(said)


def passed_by_firewall(client: str, server: str, *, attack: bool) -> str:
    head = (
        f'<188>date={datetime.now(UTC):%Y-%m-%d} time={datetime.now(UTC):%H:%M:%S} tz="+0000" '
        f'devname="FW" devid="FGT" vd="root" srcip={client} srcport=5 dstip={server} dstport=443 proto=6 '
    )
    if attack:
        return head + (
            'logid="0419016384" type="utm" subtype="ips" eventtype="signature" level="alert" '
            'severity="high" action="detected" policyid=3 attack="A.Known.Attack" attackid=1 msg="x"'
        )
    return head + (
        'logid="0000000013" type="traffic" subtype="forward" level="notice" action="close" '
        "policyid=12 sentbyte=1 rcvdbyte=2"
    )


def attack_on(system: System) -> tuple[str, str, str]:
    """Who sends the line, the line, and the severity of its rule: by web server, sensor and firewall in turn."""
    client = f"198.51.100.{system.number}"
    match system.number % 3:
        case 0:
            line = visit("/tra-cuu?ma=1%27%20UNION%20SELECT%20mat_khau", client, 403)
            return system.web, line, "medium"
        case 1:
            signature = {
                "action": "allowed",
                "signature_id": 1,
                "signature": "An attack",
                "severity": 1,
            }
            return system.ids, seen_by_ids(client, system.web, signature), "high"
        case _:
            return system.firewall, passed_by_firewall(client, system.web, attack=True), "high"


def send(device: str, line: str) -> None:
    """One datagram from the device's own address."""
    family = socket.AF_INET6 if ":" in device else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.bind((device, 0))
        one.sendto(line.encode(), ("::1" if ":" in device else "127.0.0.1", PORT))


def soc(site: RunningSite, *arguments: str) -> str:
    command = [sys.executable, "-m", "soc.cli.main", *arguments]
    done = subprocess.run(
        command, env=site.environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site with the register of 39 systems and a relay, in a network with the address of every device."""
    folder = tmp_path_factory.mktemp("shared")
    addresses = [UNKNOWN, *(one for system in ALL for one in system.devices)]
    with own_network(addresses), running_site(folder / "site") as running:
        (folder / "register.yaml").write_text(yaml.safe_dump(register(), allow_unicode=True))
        soc(running, "register", "import", str(folder / "register.yaml"))
        wide = ("--relay", "0.0.0.0/0", "--relay", "::/0")
        token = json.loads(soc(running, "agents", "token", "--agency", "skhcn", *wide, "--json"))
        relay = folder / "relay"
        agent = [sys.executable, "-m", "collectors.agent.main"]
        ca = running.home / "keys" / "ca.pem"
        joined = [
            "--platform",
            running.door,
            "--ca",
            str(ca),
            "--token",
            token["token"],
            "--name",
            "relay",
        ]
        subprocess.run([*agent, "enrol", "--home", str(relay), *joined], check=True, timeout=120)
        decided = ("agencies", "state", "skhcn", "active", "--reason", "known for years")
        soc(running, *decided)  # its first source had put it in testing
        doors = [{"kind": "syslog", "udp": f"{where}:{PORT}"} for where in ("0.0.0.0", "[::]")]
        (relay / "agent.yaml").write_text(json.dumps({"inputs": doors}))
        with subprocess.Popen([*agent, "run", "--home", str(relay)]) as process:
            try:
                wait_until_taken(running, {UNKNOWN: [visit("/", STRANGER)]})
                yield running
            finally:
                process.terminate()


def events(site: RunningSite) -> list[Any]:
    settings = Settings(home=site.home)
    store = EmbeddedStore(settings.events_home, months=settings.retention_months, writable=False)
    try:
        return list(store.scan(PROVINCE, "soc.peer_ip:*"))
    finally:
        store.close()


def wait_until_taken(site: RunningSite, lines: dict[str, list[str]]) -> None:
    """Send, and wait until as many events more are there; UDP may lose the very first while the port opens."""
    before, wanted = len(events(site)), sum(map(len, lines.values()))
    deadline = time.monotonic() + 60
    while len(events(site)) < before + wanted:
        assert time.monotonic() < deadline, "the lines did not arrive"
        if wanted == 1 or len(events(site)) == before:
            for device, some in lines.items():
                for line in some:
                    send(device, line)
        time.sleep(1)


def test_every_event_has_the_owner_of_the_table(site: RunningSite):
    """Agency, system and level; the narrowest range counts, and what nobody has registered is unowned."""
    wanted = {
        address: (system.agency, system.id, system.level)
        for system in ALL
        for address in system.devices
    }
    wait_until_taken(
        site,
        {
            UNKNOWN: [visit("/", STRANGER)],
            **{s.web: [visit("/", STRANGER), visit("/tin", STRANGER)] for s in ALL},
            **{s.ids: [seen_by_ids(STRANGER, s.web, None)] for s in ALL},
            **{s.firewall: [passed_by_firewall(STRANGER, s.web, attack=False)] for s in ALL},
        },
    )
    found: dict[str, set[Any]] = {}
    sources: dict[str, set[str]] = {}
    for event in events(site):
        stamp = (event.agency_id, event.system_id, event.level)
        found.setdefault(event.fields["soc.peer_ip"], set()).add(stamp)
        sources.setdefault(event.fields["soc.peer_ip"], set()).add(event.source)
    assert found.pop(UNKNOWN) == {(None, None, 0)}
    assert found == {address: {stamp} for address, stamp in wanted.items()}
    for system in ALL:
        said = [sources[address] for address in system.devices]
        assert said == [{"web_access"}, {"suricata"}, {"fortigate"}]


def test_each_attack_is_one_alert_with_its_priority(site: RunningSite):
    """Within two seconds of its line, by severity and level."""
    database = Database(f"sqlite:///{site.home / 'soc.sqlite'}")
    sent: dict[str, datetime] = {}
    for system in ALL:
        device, line, _ = attack_on(system)
        sent[system.id] = datetime.now(UTC)
        send(device, line)
        time.sleep(0.3)
    deadline = time.monotonic() + 30
    while len(rows := alerts(database)) < len(ALL) and time.monotonic() < deadline:
        time.sleep(0.5)
    took = sorted((row.created_at - sent[row.system_id or ""]).total_seconds() for row in rows)
    print(f"alerts after {took[len(took) // 2]:.2f} s (median), {took[-1]:.2f} s (slowest)")
    assert sorted(row.system_id or "" for row in rows) == [system.id for system in ALL]
    by_system = {row.system_id: row for row in rows}
    for system in ALL:
        row, severity = by_system[system.id], attack_on(system)[2]
        assert (row.agency_id, row.system_level, row.severity) == (
            system.agency,
            system.level,
            severity,
        )
        assert row.priority == BY_LEVEL[severity, system.level]
        assert row.signals == 1
    assert took[-1] <= ALERT_WITHIN_SECONDS * SLOW_MACHINE
    database.close()


def alerts(database: Database) -> list[AlertRow]:
    with database.session(PROVINCE) as session:
        wanted = select(AlertRow).where(~AlertRow.rule_id.startswith("soc-"))
        return list(session.scalars(wanted))


def test_a_silent_input_of_a_weighty_system_is_named_within_ten_minutes(site: RunningSite):
    """The worker's own watch over the real records, an hour ahead of the real time; all others are heard."""
    database = Database(f"sqlite:///{site.home / 'soc.sqlite'}")
    system = next(one for one in ALL if one.level == 3 and ":" in one.firewall)
    stopped = f"syslog:udp:{PORT}/{system.firewall}"
    start = datetime.now(UTC) + timedelta(hours=1)
    every = [f"{kind}{hour:02}" for kind in "we" for hour in range(24)]
    usual = {name: [60.0, start.toordinal(), 30] for name in every}
    with database.write(PROVINCE) as session:
        relay = session.scalars(select(AgentRow).where(AgentRow.kind == "relay")).one().id
        names = session.scalars(select(StreamRow.name).where(StreamRow.agent_id == relay)).all()
        session.add_all(HabitRow(agent_id=relay, stream=one, hours=usual) for one in {*names, ""})
    watch = silence_watch(database)
    watch.is_listening = lambda _: True
    for minute in range(11):
        now = start + timedelta(minutes=minute)
        with database.write(PROVINCE) as session:
            session.execute(update(AgentRow).values(last_seen_at=now))
            heard = StreamRow.name != stopped if minute else StreamRow.name.is_not(None)
            session.execute(update(StreamRow).where(heard).values(last_received_at=now))
        watch.look(now)
    with database.session(PROVINCE) as session:
        told = session.scalars(
            select(SignalRow).where(SignalRow.rule_id == "soc-source-silent")
        ).all()
    ours = [one for one in told if one.observed_at >= start]
    assert [(one.agency_id, one.system_id, one.level) for one in ours] == [
        (system.agency, system.id, "high")
    ]
    assert ours[0].fields["soc.stream"] == stopped
    assert f"Hệ thống {system.id}" in ours[0].fields["message"]
    database.close()


def test_the_table_is_worth_the_name():
    """39 systems of all five levels, both families, ranges inside ranges inside ranges."""
    assert len(ALL) == 39
    assert {one.level for one in ALL} == {1, 2, 3, 4, 5}
    nets = [ip_network(line.split()[0]) for line in RANGES.splitlines()]
    assert {(net.version, net.prefixlen) for net in nets} == {
        (4, 16), (4, 24), (4, 26), (6, 48), (6, 64), (6, 80),
    }  # fmt: skip
    assert Path(__file__).with_name("shared_systems.py").is_file()
