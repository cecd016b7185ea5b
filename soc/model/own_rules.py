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
    technique: str = ""  # of ATT&CK


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
SCAN_WIDE = OwnRule(
    "soc-scan-wide",
    "One source tries many machines",
    "Một nguồn dò quét nhiều máy",
    "medium",
    "t1046",
)
SCAN_DEEP = OwnRule(
    "soc-scan-deep",
    "One source tries many ports of a machine",
    "Một nguồn dò quét nhiều cổng của một máy",
    "medium",
    "t1046",
)
SCAN_SLOW = OwnRule(
    "soc-scan-slow",
    "One source tries many machines over hours",
    "Một nguồn dò quét chậm nhiều máy trong nhiều giờ",
    "medium",
    "t1046",
)
SPREAD = OwnRule(
    "soc-spread",
    "A machine reaches many others by administration ports that it never used before",
    "Một máy kết nối quản trị tới nhiều máy chưa từng kết nối",
    "high",
    "t1021",
)
BEACON = OwnRule(
    "soc-beacon",
    "A machine calls the same outside address at regular intervals",
    "Một máy gọi đều đặn ra một địa chỉ bên ngoài",
    "high",
    "t1071",
)
VOLUME = OwnRule(
    "soc-volume-out",
    "A machine sends far more out than on other days",
    "Một máy gửi ra ngoài nhiều bất thường so với các ngày trước",
    "medium",
    "t1048",
)
TUNNEL = OwnRule(
    "soc-dns-tunnel",
    "Data in the names that a machine asks of one domain",
    "Dữ liệu được giấu trong tên miền mà một máy truy vấn",
    "high",
    "t1071.004",
)
MADE_UP_NAMES = OwnRule(
    "soc-dns-made-up",
    "A machine asks for many made-up domains that do not exist",
    "Một máy truy vấn nhiều tên miền sinh ngẫu nhiên không tồn tại",
    "high",
    "t1568",
)
ROGUE_SERVER = OwnRule(
    "soc-rogue-server",
    "An unknown machine gives out addresses or routes",
    "Máy lạ cấp phát địa chỉ (DHCP) hoặc quảng bá bộ định tuyến",
    "high",
    "t1557",
)
FIRST_COUNTRY = OwnRule(
    "soc-first-country",
    "An agency reaches a country for the first time",
    "Cơ quan lần đầu kết nối tới một nước",
    "low",
    "t1041",
)
FIRST_NETWORK = OwnRule(
    "soc-first-network",
    "An agency reaches a provider's network for the first time",
    "Cơ quan lần đầu kết nối tới mạng của một nhà cung cấp",
    "informational",
    "t1041",
)
FIRST_DOMAIN = OwnRule(
    "soc-first-domain",
    "A system of level 3 or above asks for a domain for the first time",
    "Hệ thống cấp độ 3 trở lên lần đầu truy vấn một tên miền",
    "low",
    "t1071",
)
BASELINES = (
    *(FIRST_COUNTRY, FIRST_NETWORK, FIRST_DOMAIN),
    *(SCAN_WIDE, SCAN_DEEP, SCAN_SLOW, SPREAD, BEACON, VOLUME, TUNNEL, MADE_UP_NAMES),
    ROGUE_SERVER,
)
OWN_RULES = MappingProxyType({one.id: one for one in (CLOCK_WRONG, SOURCE_SILENT, *BASELINES)})
