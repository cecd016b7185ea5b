"""Does the matcher's memory stay flat when nothing repeats? ``python -m bench.generated [--events 20000000]``.

Flat events straight into the matcher, with the shipped rules (``--rules DIR`` for others, under ECS names). Every
text value of every event is new; half of them hold pieces that rules look for, so that signatures and decisions vary
too, and one event in eight has even a code, dataset and provider that were never seen. Resident memory is printed at
each step and may grow by ``MOST_GROWTH`` after the warm-up, or the run fails. Before that: records per CPU second of
the made-up days of a province, and what memory they take.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from soc.detect.matcher import Matcher
from soc.detect.packs import compile_pack
from soc.shipped import folder
from soc.simulate import Plan, days, scenario_names

MOST_GROWTH = 0.05
STEP = 1_000_000
SIMULATED = 300_000  # records
PIECES = [
    "vssadmin",
    " delete ",
    "shadows",
    "net stop ",
    "veeam",
    " /add",
    " user ",
    "powershell",
    "-enc ",
    "IEX",
    "DownloadString",
    "http://",
    "curl ",
    "| bash",
    "/etc/cron",
    "wevtutil",
    " cl ",
    "\\Temp\\",
    "union select",
    "../../",
    "jndi:",
    "/uploads/a.php",
    "whoami",
    "rundll32",
    "crontab -",
    "ADMIN$",
]
PROGRAMS = (
    *("cmd.exe", "net.exe", "vssadmin.exe", "powershell.exe", "wevtutil.exe", "svchost.exe"),
    *("curl", "bash", "crontab"),
)
Event = dict[str, Any]


def events(seed: int = 1) -> Iterator[Event]:
    """Endless events of eight kinds in turn; no text value occurs twice save those that choose the rules."""
    dice, numbers = random.Random(seed), itertools.count(1)

    def new(stem: str = "") -> str:
        return f"{stem}{next(numbers):x}"

    def telling(stem: str = "") -> str:
        if dice.random() < 0.5:
            return new(stem)
        return new(stem) + "".join(dice.choices(PIECES, k=dice.randrange(1, 4))) + new()

    for kind in itertools.cycle(KINDS):
        yield kind(new, telling, dice)


def _process(new: Any, telling: Any, dice: random.Random) -> Event:
    name, path = dice.choice(PROGRAMS), new("C:\\x\\")
    return _windows(new) | {
        "event.category": ["process"],
        "event.type": ["start"],
        "event.code": "1",
        "process.name": name,
        "process.executable": f"{path}\\{name}",
        "process.command_line": telling(f"{name} "),
        "process.parent.executable": new("C:\\y\\") + "\\" + dice.choice(PROGRAMS),
        "process.hash.sha256": new("hash"),
    }


def _windows(new: Any) -> Event:
    return {
        "event.module": "windows",
        "event.provider": "Microsoft-Windows-Sysmon",
        "winlog.channel": "Microsoft-Windows-Sysmon/Operational",
        "host.os.type": "windows",
        "host.name": new("ws"),
        "user.name": new("u"),
    }


def _security(new: Any, telling: Any, dice: random.Random) -> Event:
    code = dice.choice(("4624", "4625", "4720", "4728", "4769", "5140", "1102"))
    return _windows(new) | {
        "event.code": code,
        "event.provider": "Microsoft-Windows-Security-Auditing",
        "event.dataset": "windows.security",
        "winlog.channel": "Security",
        "source.ip": f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}",
        "service.name": telling(),
        "winlog.event_data.TargetUserName": new("t"),
        "winlog.event_data.ShareName": telling("\\\\*\\"),
        "winlog.event_data.TargetSid": new("S-1-5-21-") + dice.choice(("-512", "-513")),
    }


def _linux(new: Any, telling: Any, dice: random.Random) -> Event:
    name = dice.choice(PROGRAMS)
    return {
        "event.category": ["process"],
        "event.type": ["start"],
        "event.dataset": "linux.process",
        "host.os.type": "linux",
        "host.name": new("sv"),
        "process.name": name,
        "process.executable": f"{new('/x/')}/{name}",
        "process.command_line": telling(f"{name} "),
        "process.args": [new(), telling()],
        "process.parent.name": dice.choice(("apache2", "bash", "cron")),
    }


def _ssh(new: Any, telling: Any, dice: random.Random) -> Event:
    return {
        "event.dataset": "linux.auth",
        "event.action": "ssh_login",
        "event.outcome": dice.choice(("success", "failure")),
        "host.os.type": "linux",
        "host.name": new("sv"),
        "process.name": "sshd",
        "user.name": new("u"),
        "source.ip": f"{dice.randrange(1, 224)}.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}",
        "message": telling(),
    }


def _web(new: Any, telling: Any, dice: random.Random) -> Event:
    path = telling("/")
    return {
        "event.category": ["web"],
        "event.dataset": "web.access",
        "host.name": new("web"),
        "http.request.method": dice.choice(("GET", "POST")),
        "http.response.status_code": dice.choice((200, 302, 404)),
        "url.original": path,
        "url.path": path,
        "user_agent.original": telling("Mozilla "),
    }


def _firewall(new: Any, telling: Any, dice: random.Random) -> Event:
    return {
        "event.module": "fortigate",
        "event.dataset": dice.choice(("fortigate.traffic", "fortigate.event", "fortigate.utm")),
        "event.action": new("act"),
        "event.type": [dice.choice(("denied", "allowed"))],
        "host.name": new("fg"),
        "dns.question.name": f"{telling()}.example",
        "fortinet.firewall.cfgpath": new(),
    }


def _registry(new: Any, telling: Any, dice: random.Random) -> Event:
    return _windows(new) | {
        "event.code": "13",
        "event.category": ["registry"],
        "registry.path": new("HKLM\\")
        + dice.choice(("\\CurrentVersion\\Run\\", "\\Other\\"))
        + new(),
        "winlog.event_data.Details": telling(),
    }


def _unheard_of(new: Any, telling: Any, dice: random.Random) -> Event:
    return {
        "event.code": new(),
        "event.dataset": new("d"),
        "event.provider": new("p"),
        "winlog.channel": new("c"),
        "event.category": [new()],
        "host.os.type": new(),
        "message": telling(),
        f"labels.{new()}": new(),
    }


KINDS = (_process, _security, _linux, _ssh, _web, _firewall, _registry, _unheard_of)


def resident_mib() -> float:
    return psutil.Process().memory_info().rss / 2**20


def feed(matcher: Matcher, total: int, step: int) -> Iterator[tuple[int, float]]:
    """Match ``total`` events; after each step how many it were, and the resident memory in MiB."""
    stream, matches, cpu = events(), 0, 0.0
    for done in range(step, total + 1, step):
        start = time.process_time()
        for event in itertools.islice(stream, step):
            matches += len(matcher.match(event))
        cpu += time.process_time() - start
        now = resident_mib()
        speed = f"{done / cpu:>9,.0f} events/s (CPU, made and matched)"
        print(f"{done:>12,} events {now:8.1f} MiB {speed} {matches:>11,} matches", flush=True)
        yield done, now


def growth(steps: Iterable[tuple[int, float]], warm: int) -> float:
    """The greatest memory after the warm-up over that at its end, less one."""
    after = [memory for done, memory in steps if done >= warm]
    return max(after) / after[0] - 1


def simulated(total: int) -> None:
    """Records per CPU second of a province's working days, and the most memory that they took."""
    plan = Plan(
        start=date(2026, 11, 23), days=5, workstations=2_500, servers=24, attacks=scenario_names()
    )
    before = most = resident_mib()
    start, size = time.process_time(), 0
    for made, record in enumerate(itertools.islice(days(plan), total)):
        size += len(record.raw)
        if made % 1_000 == 0:
            most = max(most, resident_mib())
    seconds = time.process_time() - start
    print(
        f"simulate: {total / seconds:,.0f} records/s (CPU) of {size / total:,.0f} bytes; 2,500 workstations, "
        f"at most {most - before:.0f} MiB over {total:,} records",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--warm", type=int, default=0, help="events; a tenth if not said")
    parser.add_argument("--cache", type=Path, help="where compiled rules are kept")
    parser.add_argument("--rules", type=Path, action="append")
    parser.add_argument(
        "--values",
        type=int,
        default=0,
        help="values remembered of a field; the product's if not said",
    )
    parser.add_argument(
        "--tuples", type=int, default=0, help="decisions remembered of a class of rules"
    )
    parser.add_argument("--simulated", type=int, default=SIMULATED)
    wanted = parser.parse_args()
    if wanted.simulated:
        simulated(wanted.simulated)
    pack = compile_pack(wanted.rules or [folder("rules")], mapping="ecs", cache=wanted.cache)
    limits = {"values_each": wanted.values, "tuples_each": wanted.tuples}
    matcher = Matcher(pack, **{name: limit for name, limit in limits.items() if limit})
    step = max(1, min(STEP, wanted.events // 20))
    grown = growth(feed(matcher, wanted.events, step), wanted.warm or wanted.events // 10)
    print(f"growth after the warm-up: {grown:.1%} (at most {MOST_GROWTH:.0%})")
    return 1 if grown > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
