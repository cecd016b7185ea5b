"""One password tried on many accounts."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import Scenario, Stage

SCENARIO = Scenario(
    name="password-spraying",
    title="One password is tried on many accounts",
    title_vi="Thử một mật khẩu trên nhiều tài khoản",
    techniques=("T1110.003",),
    on="DC",
    hour=10,
    expects=("f02f95f3-9899-585c-a19d-0d25fe895fdc",),
)


def play(stage: Stage) -> Iterator[Draft]:
    """Fifteen accounts within fifteen minutes, from an address inside that is nobody's."""
    server = stage.machine("DC")
    for turn in range(15):
        login = f"vanthu{turn:02}"
        yield windows.log_on_failed(
            stage.after(turn * 60), server, login, 3, "10.20.99.9", known=False
        )
