"""Isolation in network namespaces: five agents and one platform, each in a namespace of its own, on one switch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soc.model.register import Owner
from soc.model.response import ResponseAction
from soc.receive.enrolment import create_token
from soc.records.database import Database
from tests.conftest import missing
from tests.response.lab import AN, BINH, Lab, wait_until

ROOT = Path(__file__).parents[2]
AGENTS = 5
NAMES = ("10.77.0.1", "fd77::1", "soc.test")
PORT, OTHER_PORT = 8601, 7000
LISTENER = """
import socket, threading
def serve(family, address):
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.bind((address, 7000))
    listening.listen()
    while True:
        listening.accept()[0].close()
def echo_datagrams():
    talking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    talking.bind(("0.0.0.0", 53))
    while True:
        content, sender = talking.recvfrom(100)
        talking.sendto(content, sender)
def echo_stream():
    listening = socket.create_server(("0.0.0.0", 7001))
    while True:
        made = listening.accept()[0]
        while content := made.recv(100):
            made.sendall(content)
threading.Thread(target=echo_datagrams, daemon=True).start()
threading.Thread(target=echo_stream, daemon=True).start()
threading.Thread(target=serve, args=(socket.AF_INET6, "::"), daemon=True).start()
serve(socket.AF_INET, "0.0.0.0")
"""
CALLER = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def call(place):
    host, _, port = place.rpartition("@")
    try:
        socket.create_connection((host, int(port)), 0.7).close()
        return "reached"
    except OSError:
        return "cut"
with ThreadPoolExecutor(8) as pool:
    print(*pool.map(call, sys.argv[1:]))
"""
STANDING = """
import socket, sys
stream = socket.create_connection((sys.argv[1], 7001), 5)
stream.settimeout(0.7)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.settimeout(0.7)
datagrams.connect((sys.argv[2], 53))
def alive(talking):
    try:
        talking.send(b"x")
        return "reached" if talking.recv(1) else "cut"
    except OSError:
        return "cut"
for _ in sys.stdin:
    print(alive(stream), alive(datagrams), flush=True)
"""
RECEIVER = """
import socket
receiving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiving.bind(("0.0.0.0", 5400))
receiving.settimeout(1.5)
print("ready", flush=True)
try:
    print(receiving.recv(9).decode())
except TimeoutError:
    print("cut")
"""
SENDER = """
import socket, sys
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3):
    try:
        sending.sendto(b"reached", (sys.argv[1], 5400))
    except PermissionError:
        pass
"""


@dataclass
class Net:
    """Namespaces ``<tag>p`` (the platform, with the switch) and ``<tag>1`` to ``<tag>5``."""

    tag: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def make(self) -> None:
        self.run(f"ip netns add {self.tag}p")
        inside = f"ip -n {self.tag}p"
        self.run(f"{inside} link set lo up")
        self.run(f"{inside} link add br0 type bridge")
        self.run(f"{inside} addr add 10.77.0.1/24 dev br0")
        self.run(f"{inside} addr add fd77::1/64 dev br0 nodad")
        self.run(f"{inside} link set br0 up")
        for number in range(1, AGENTS + 1):
            name = f"{self.tag}{number}"
            self.run(f"ip netns add {name}")
            self.run(f"ip -n {name} link set lo up")
            self.run(f"{inside} link add v{number} type veth peer name eth0 netns {name}")
            self.run(f"{inside} link set v{number} master br0 up")
            self.run(f"ip -n {name} addr add 10.77.0.{10 + number}/24 dev eth0")
            self.run(f"ip -n {name} addr add fd77::{10 + number}/64 dev eth0 nodad")
            self.run(f"ip -n {name} link set eth0 up")
            self.hosts(str(number)).parent.mkdir(parents=True)
            self.hosts(str(number)).write_text("10.77.0.1 soc.test\nfd77::1 soc.test\n")
            self.start(f"{number}", [sys.executable, "-c", LISTENER])
        self.start("p", [sys.executable, "-c", LISTENER])

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        for name in ["p", *map(str, range(1, AGENTS + 1))]:
            subprocess.run(["ip", "netns", "del", self.tag + name], check=False)
            shutil.rmtree(self.hosts(name).parent, ignore_errors=True)

    def hosts(self, where: str) -> Path:
        """What ``ip netns exec`` shows as /etc/hosts there."""
        return Path("/etc/netns", self.tag + where, "hosts")

    def run(self, command: str) -> None:
        subprocess.run(command.split(), check=True)

    def start(self, where: str, command: list[str]) -> subprocess.Popen[bytes]:
        made = subprocess.Popen(
            ["ip", "netns", "exec", self.tag + where, *command],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.processes.append(made)
        return made

    def call(self, where: str, *places: str) -> list[str]:
        """Connections from a namespace to each ``host@port``: reached or cut."""
        command = ["ip", "netns", "exec", self.tag + where, sys.executable, "-c", CALLER, *places]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def one_way(self, where: str, to: str, address: str) -> str:
        """Whether datagrams that want no answer arrive: reached or cut."""
        begin = ["ip", "netns", "exec"]
        receiver = [*begin, self.tag + to, sys.executable, "-c", RECEIVER]
        with subprocess.Popen(receiver, stdout=subprocess.PIPE, text=True) as receiving:
            assert receiving.stdout is not None
            receiving.stdout.readline()
            sender = [*begin, self.tag + where, sys.executable, "-c", SENDER, address]
            subprocess.run(sender, check=True)
            return receiving.stdout.readline().strip()


@dataclass
class Province:
    """The lab, its network, and the homes and ids of five running agents."""

    lab: Lab
    net: Net
    homes: list[Path]
    ids: list[str]
    agents: list[subprocess.Popen[bytes]]

    def start_agent(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "collectors.agent.main", "run", "--home"]
        return self.net.start(str(number), [*command, str(self.homes[number - 1])])

    def isolate(self, number: int, seconds: int) -> str:
        """Asked by one and approved by another; the id, once the platform has the agent's answer."""
        now = datetime.now(UTC)
        asked = self.lab.desk.ask(
            AN,
            [self.ids[number - 1]],
            ResponseAction.ISOLATE_HOST,
            {"seconds": seconds},
            reason="mã độc tống tiền",
            now=now,
        )
        self.lab.desk.approve(BINH, asked.command_ids[0], datetime.now(UTC))
        self.await_state(asked.command_ids[0], "done")
        return asked.command_ids[0]

    def await_state(self, command_id: str, state: str) -> None:
        wait_until(lambda: self.lab.state(command_id) == state)

    def seen_from(self, number: int) -> dict[str, list[str]]:
        """Another agent and another port of the platform, then the platform's door; IPv4 and IPv6."""
        other = 10 + number % AGENTS + 1
        places = [
            f"10.77.0.{other}@{OTHER_PORT}",
            f"fd77::{other}@{OTHER_PORT}",
            f"10.77.0.1@{OTHER_PORT}",
        ]
        doors = [f"10.77.0.1@{PORT}", f"fd77::1@{PORT}"]
        found = self.net.call(str(number), *places, *doors)
        return {"others": found[:3], "door": found[3:]}


@pytest.fixture(scope="module")
def province(
    tmp_path_factory: pytest.TempPathFactory, empty_database_file: Path
) -> Iterator[Province]:
    if os.geteuid() != 0:
        missing("root, for network namespaces")
    for program in ("nft", "ip"):
        if shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
            missing(f"the program {program}")
    folder = tmp_path_factory.mktemp("province")
    shutil.copyfile(empty_database_file, folder / "soc.sqlite")
    database = Database(f"sqlite:///{folder / 'soc.sqlite'}")
    lab, net = Lab(folder, database, PORT), Net(f"soc{os.getpid()}-")
    try:
        net.make()
        door = [sys.executable, "-m", "tests.response.lab", str(folder), str(PORT), *NAMES]
        net.start("p", door)
        wait_until(lambda: net.call("p", f"10.77.0.1@{PORT}") == ["reached"])
        yield enrolled(lab, net, folder, database)
    finally:
        net.close()
        database.close()


def enrolled(lab: Lab, net: Net, folder: Path, database: Database) -> Province:
    """Five agents, enrolled from their own namespaces: by IPv4, the fourth by name, the fifth by IPv6."""
    made, enrolling = Province(lab, net, [], [], []), []
    for number in range(1, AGENTS + 1):
        token = create_token(database, AN, datetime.now(UTC), owner=Owner("a-sxd"))
        home = folder / f"ws-{number}"
        name = {4: "soc.test", 5: "[fd77::1]"}.get(number, "10.77.0.1")
        arguments = ["--platform", f"https://{name}:{PORT}", "--token", token.secret]
        command = [sys.executable, "-m", "collectors.agent.main", "enrol", "--home", str(home)]
        command += [*arguments, "--ca", str(lab.keys / "ca.pem"), "--name", f"ws-{number}"]
        enrolling.append(net.start(str(number), command))
        made.homes.append(home)
    for number, (home, process) in enumerate(zip(made.homes, enrolling, strict=True), 1):
        assert process.wait(30) == 0
        (home / "agent.yaml").write_text("inputs: []\ncommands: {poll_seconds: 1}\n")
        made.ids.append(json.loads((home / "identity.json").read_text())["agent_id"])
        made.agents.append(made.start_agent(number))
    return made


OPEN = {"others": ["reached"] * 3, "door": ["reached"] * 2}
CUT = {
    "others": ["cut"] * 3,
    "door": ["reached", "cut"],
}  # the agent's platform has an IPv4 address


@pytest.mark.root
def test_an_isolated_host_reaches_the_platform_and_nothing_else(province: Province):
    """Out and in, IPv4 and IPv6; the other four are as they were; a release brings everything back."""
    assert province.seen_from(1) == OPEN
    command_id = province.isolate(1, 600)
    assert province.seen_from(1) == CUT
    assert (
        province.net.call("2", f"10.77.0.11@{OTHER_PORT}", f"fd77::11@{OTHER_PORT}") == ["cut"] * 2
    )
    assert province.net.call("p", f"10.77.0.11@{OTHER_PORT}") == ["cut"]
    assert province.seen_from(3) == OPEN
    assert [row.id for row in province.lab.desk.measures(AN, datetime.now(UTC))] == [command_id]
    undo = province.lab.desk.undo(AN, command_id, "sạch", datetime.now(UTC))
    province.await_state(undo, "done")
    assert province.seen_from(1) == OPEN
    assert province.lab.desk.measures(AN, datetime.now(UTC)) == []


@pytest.mark.root
def test_an_isolation_cuts_what_is_open_already_and_dns(province: Province):
    """A standing connection, port 53 of the platform, and datagrams that want no answer, out and in."""
    command = ["ip", "netns", "exec", f"{province.net.tag}1", sys.executable, "-c", STANDING]
    standing = subprocess.Popen(
        [*command, "10.77.0.13", "10.77.0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask() -> list[str]:
        assert standing.stdin is not None
        assert standing.stdout is not None
        standing.stdin.write("\n")
        standing.stdin.flush()
        return standing.stdout.readline().split()

    try:
        assert ask() == ["reached", "reached"]
        command_id = province.isolate(1, 600)
        assert ask() == ["cut", "cut"]
    finally:
        standing.kill()
        standing.communicate()
    assert province.net.one_way("1", "3", "10.77.0.13") == "cut"
    assert province.net.one_way("3", "1", "10.77.0.11") == "cut"
    undo = province.lab.desk.undo(AN, command_id, "sạch", datetime.now(UTC))
    province.await_state(undo, "done")
    assert province.net.one_way("1", "3", "10.77.0.13") == "reached"
    assert province.net.one_way("3", "1", "10.77.0.11") == "reached"


@pytest.mark.root
def test_an_isolation_ends_by_itself_also_when_the_agent_was_killed_meanwhile(province: Province):
    """Without an order: the kernel keeps the time. The killed agent, started again, knows that it is over."""
    living, killed = province.isolate(2, 10), province.isolate(3, 10)
    province.agents[2].kill()
    province.agents[2].wait()
    assert (province.seen_from(2), province.seen_from(3)) == (CUT, CUT)
    wait_until(lambda: province.seen_from(2) == OPEN)
    wait_until(lambda: province.seen_from(3) == OPEN)
    province.start_agent(3)
    for command_id in (living, killed):
        wait_until(lambda: province.lab.desk.find(AN, command_id).ended_how)  # noqa: B023
    assert province.lab.desk.measures(AN, datetime.now(UTC)) == []


@pytest.mark.root
def test_an_agent_that_starts_while_it_is_isolated_still_reaches_the_platform(province: Province):
    """By the addresses that it kept: an isolated host has no DNS. It answers, and is released."""
    command_id = province.isolate(4, 600)
    assert province.seen_from(4) == {"others": ["cut"] * 3, "door": ["reached"] * 2}
    province.agents[3].kill()
    province.agents[3].wait()
    province.net.hosts("4").write_text("")
    province.start_agent(4)
    undo = province.lab.desk.undo(AN, command_id, "sạch", datetime.now(UTC))
    province.await_state(undo, "done")
    assert province.seen_from(4) == OPEN


@pytest.mark.root
@pytest.mark.parametrize("step", ["before nft", "after nft", "after answered"])
def test_killed_while_it_isolates(province: Province, step):
    """The isolation is there or not, and the platform is told which."""
    province.agents[4].kill()
    province.agents[4].wait()
    now = datetime.now(UTC)
    asked = province.lab.desk.ask(
        AN, [province.ids[4]], ResponseAction.ISOLATE_HOST, {"seconds": 600}, reason="x", now=now
    )
    [command_id] = asked.command_ids
    province.lab.desk.approve(BINH, command_id, datetime.now(UTC))
    alone = [sys.executable, "-m", "tests.response.agent_alone", str(province.homes[4]), step]
    assert province.net.start("5", alone).wait(30) != 0
    is_cut = province.net.call("5", f"10.77.0.11@{OTHER_PORT}") == ["cut"]
    assert is_cut == (step != "before nft")
    assert province.seen_from(5)["door"] == (["cut", "reached"] if is_cut else ["reached"] * 2)
    province.agents[4] = province.start_agent(5)
    province.await_state(command_id, "done" if is_cut else "unchanged")
    if is_cut:
        undo = province.lab.desk.undo(AN, command_id, "sạch", datetime.now(UTC))
        province.await_state(undo, "done")
    assert province.seen_from(5) == OPEN
