"""A script left in the portal's upload folder, asked for, and its commands."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import unix_records as unix
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import ATTACKER, Scenario, Stage

SCENARIO = Scenario(
    name="web-shell",
    title="A web shell on the portal runs commands",
    title_vi="Web shell trên cổng thông tin chạy lệnh",
    techniques=("T1190", "T1505.003", "T1059.004"),
    on="WEB",
    hour=2,
    expects=("fd7c26eb-d58d-550d-a8dc-b9e9fc321b31", "bc4f65af-c81c-5616-9ce4-5fb259e535bc"),
)
COMMANDS = ("id", "uname -a", "cat /etc/hosts")


def play(stage: Stage) -> Iterator[Draft]:
    """An upload, then a request and a shell for each command."""
    portal = stage.machine("WEB")
    yield unix.asked(stage.after(0), portal, ATTACKER, "POST /gop-y/dinh-kem", 200, 61)
    for turn, command in enumerate(COMMANDS, 1):
        at = stage.after(turn * 20)
        yield unix.asked(at, portal, ATTACKER, f"POST /uploads/2026/anh{turn % 1}.php", 200, 410)
        yield unix.executed(
            at, portal, ("sh", "-c", command), executable="/usr/bin/dash",
            parent="/usr/sbin/apache2", uid=33, user="www-data", pid=31_000 + turn,
        )  # fmt: skip
