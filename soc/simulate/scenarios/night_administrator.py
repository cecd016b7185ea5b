"""An account made at night and put among the domain's administrators."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import Scenario, Stage
from soc.simulate.site import SID

SCENARIO = Scenario(
    name="night-administrator",
    title="A new account becomes administrator at night",
    title_vi="Tài khoản mới thành quản trị viên lúc nửa đêm",
    techniques=("T1136.002", "T1098"),
    on="DC",
    hour=1,
    expects=("ccba591f-391f-566a-bf94-e31af295508b", "fcf5e3a4-7ff8-5d53-81ab-ebc6e8705051"),
)


def play(stage: Stage) -> Iterator[Draft]:
    """Created, and a member five minutes later."""
    controller, sid = stage.machine("DC"), f"{SID}-9{stage.dice.randrange(100, 999)}"
    yield windows.account_created(stage.after(0), controller, controller.person, "hotro2", sid)
    yield windows.member_added(stage.after(300), controller, controller.person, "hotro2", sid)
