"""From one machine to the servers, by administrative shares and services, as PsExec does."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import Scenario, Stage

SCENARIO = Scenario(
    name="lateral-service",
    title="Lateral movement by services on other machines",
    title_vi="Di chuyển ngang bằng dịch vụ cài từ xa (kiểu PsExec)",
    techniques=("T1021.002", "T1569.002", "T1543.003"),
    on="WS",
    hour=19,
    expects=(
        "6dab5702-fe97-5742-bb92-37ee5fd7fee3",
        "aa1eb721-6c05-56c5-94a1-624f6f6703e9",
    ),
)
COMMAND = r"%COMSPEC% /Q /c echo cd ^> \\127.0.0.1\C$\__ketqua 2^>^&1"


def play(stage: Stage) -> Iterator[Draft]:
    """On each Windows server: a log-on, ADMIN$, a service that runs a shell."""
    machine = stage.machine("WS")
    targets = [server for server in stage.site.servers if not server.is_linux]
    for turn, server in enumerate(targets):
        begin = turn * 90
        yield windows.logged_on(
            stage.after(begin), server, server.person, 3, machine.address, 50_100 + turn
        )
        yield windows.share_opened(
            stage.after(begin + 1), server, server.person, machine.address, "ADMIN$"
        )
        name = f"PSX{stage.dice.randrange(16**6):06X}"
        yield windows.service_installed(stage.after(begin + 4), server, name, COMMAND)
