"""The Security log emptied by command."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import Scenario, Stage

SCENARIO = Scenario(
    name="log-clearing",
    title="The Security log is cleared",
    title_vi="Xóa nhật ký bảo mật",
    techniques=("T1070.001",),
    on="BK",
    hour=3,
    expects=("8ed19750-ff2d-5f4d-82a1-f41722414f7b", "848eb988-cb07-5905-b80c-afd000f09cc7"),
)


def play(stage: Stage) -> Iterator[Draft]:
    """The command, and what the log says of itself."""
    server = stage.machine("BK")
    image, parent = r"C:\Windows\System32\wevtutil.exe", r"C:\Windows\System32\cmd.exe"
    yield windows.process_audited(
        stage.after(0), server, server.person, image, "wevtutil cl Security", parent
    )
    yield windows.log_cleared(stage.after(0.4), server, server.person)
