"""The anti-malware switched off, then a program from a user's folder."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import Scenario, Stage

SCENARIO = Scenario(
    name="protection-off",
    title="Endpoint protection switched off",
    title_vi="Tắt phần mềm bảo vệ rồi chạy chương trình lạ",
    techniques=("T1562.001", "T1204.002"),
    on="WS",
    hour=16,
    expects=("e776734d-4d6c-5508-b094-dc1f246bfe7f", "406b4e0e-b347-5883-b5e5-dc0e06997e0f"),
)
POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
PROGRAM = r"C:\Users\Public\hotro.exe"


def play(stage: Stage) -> Iterator[Draft]:
    """The command, Defender's own event, and the program."""
    machine = stage.machine("WS")
    command = "powershell Set-MpPreference -DisableRealtimeMonitoring $true"
    parent = r"C:\Windows\System32\cmd.exe"
    yield windows.process_started(
        stage.after(0), machine, machine.person, POWERSHELL, command, parent
    )
    yield windows.protection_off(stage.after(1.2), machine)
    yield windows.process_started(
        stage.after(45), machine, machine.person, PROGRAM, PROGRAM, parent
    )
