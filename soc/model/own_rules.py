"""Rules that are not Sigma's: what the platform says of itself and of its sources, through the same queue of alerts."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class OwnRule:
    """What an alert of the platform's own is called."""

    id: str
    title: str
    title_vi: str
    level: str  # as Sigma's


CLOCK_WRONG = OwnRule(
    "soc-clock-wrong",
    "A clock is off by ten minutes or more",
    "Đồng hồ sai lệch từ mười phút trở lên",
    "medium",
)
SOURCE_SILENT = OwnRule(
    "soc-source-silent",
    "A source has fallen silent",
    "Một nguồn dữ liệu đã ngừng gửi",
    "medium",
)
OWN_RULES = MappingProxyType({one.id: one for one in (CLOCK_WRONG, SOURCE_SILENT)})
