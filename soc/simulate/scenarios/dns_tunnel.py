"""Data carried out in names: seen by Sysmon at the workstation, and by the firewall."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import firewall_records as firewall
from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import ATTACKER, Scenario, Stage

SCENARIO = Scenario(
    name="dns-tunnel",
    title="Data carried out in DNS names",
    title_vi="Tuồn dữ liệu ra ngoài qua tên miền (DNS tunnel)",
    techniques=("T1071.004", "T1048.003"),
    on="WS",
    hour=15,
    expects=("5cdda06d-095c-5fe0-9990-0588952220b7",),
)
IMAGE = r"C:\Users\Public\capnhat.exe"


def play(stage: Stage) -> Iterator[Draft]:
    """Eighty names in about five minutes."""
    machine = stage.machine("WS")
    for turn in range(80):
        at = stage.after(turn * 4)
        name = f"{stage.dice.getrandbits(180):045x}.t.dulieu.example"
        yield windows.name_asked(at, machine, IMAGE, name, ATTACKER)
        yield firewall.resolved(at, machine.address, ATTACKER, name, "TXT")
