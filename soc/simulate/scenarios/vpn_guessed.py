"""An SSL VPN password guessed at the firewall, then a tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import firewall_records as firewall
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import Scenario, Stage

SCENARIO = Scenario(
    name="vpn-guessed",
    title="An SSL VPN password is guessed, then a tunnel is up",
    title_vi="Dò mật khẩu VPN rồi mở được đường hầm",
    techniques=("T1110.001", "T1133"),
    on="WS",
    hour=21,
    expects=("035c9b0f-1a9a-5519-a049-2d2ca52a5053", "37e99599-0696-5210-a21e-14caed9a776e"),
)
FROM = "203.0.113.67"


def play(stage: Stage) -> Iterator[Draft]:
    """Twelve refusals in six minutes, then the tunnel."""
    login = stage.machine("WS").person.login
    for turn in range(12):
        yield firewall.vpn(stage.after(turn * 30), login, FROM, up=False)
    yield firewall.vpn(stage.after(400), login, FROM, up=True)
