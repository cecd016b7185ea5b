"""A password guessed over the network, then used."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import ATTACKER, Scenario, Stage

SCENARIO = Scenario(
    name="brute-force",
    title="A password is guessed by many log-ons, then used",
    title_vi="Dò mật khẩu nhiều lần rồi đăng nhập được",
    techniques=("T1110.001", "T1078"),
    on="FS",
    hour=20,
    expects=("c634250b-ae55-54d8-a6f2-f20cff8307b4", "5d4affe2-80e3-5e54-9a0f-1e568d95c1d5"),
)


def play(stage: Stage) -> Iterator[Draft]:
    """Thirty refusals within two minutes, then a log-on."""
    server = stage.machine("FS")
    for turn in range(30):
        yield windows.log_on_failed(stage.after(turn * 4), server, server.person.login, 3, ATTACKER)
    yield windows.logged_on(stage.after(130), server, server.person, 3, ATTACKER, 50_001)
