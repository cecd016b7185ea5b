"""Service tickets with RC4 asked for many services, to guess their passwords elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import Scenario, Stage

SCENARIO = Scenario(
    name="kerberoasting",
    title="Weak service tickets for many services",
    title_vi="Xin vé dịch vụ mã hóa yếu của nhiều dịch vụ (Kerberoasting)",
    techniques=("T1558.003",),
    on="DC",
    hour=14,
    expects=("33c7ba05-151b-5310-a5be-dab967f7d69e", "0a1a4995-1e9c-561e-a993-398e9cb3d33f"),
)
ACCOUNTS = (
    "svc_sql",
    "svc_web",
    "svc_backup",
    "svc_sharepoint",
    "svc_bao-cao",
    "svc_in",
    "svc_kho",
    "svc_mail",
)


def play(stage: Stage) -> Iterator[Draft]:
    """Eight services within a few seconds, as tools do it."""
    controller, machine = stage.machine("DC"), stage.machine("WS")
    for turn, account in enumerate(ACCOUNTS):
        at = stage.after(turn * 0.4)
        yield windows.service_ticket(
            at, controller, machine.person, machine.address, account, "0x17"
        )
