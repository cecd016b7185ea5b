"""The machines and people of the made-up province."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from soc.simulate.record import Plan, chance

DOMAIN, NETBIOS = "tinh.example", "TINH"
SID = "S-1-5-21-1004336348-1177238915-682003330"
FAMILY = (
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Hoàng",
    "Vũ",
    "Võ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Lý",
)
MIDDLE = ("Văn", "Thị", "Đức", "Minh", "Ngọc", "Thanh", "Quang", "Thu", "Hữu", "Xuân")
GIVEN = (
    *(
        "An",
        "Anh",
        "Bình",
        "Châu",
        "Cường",
        "Dung",
        "Dũng",
        "Đạt",
        "Giang",
        "Hà",
        "Hải",
        "Hạnh",
        "Hiền",
    ),
    *("Hòa", "Hùng", "Hương", "Khánh", "Lan", "Linh", "Long", "Mai", "Nam", "Nga", "Oanh", "Phúc"),
    *("Phương", "Quân", "Sơn", "Tâm", "Thảo", "Thắng", "Trang", "Trung", "Tuấn", "Vân", "Yến"),
)
AGENCIES = ("STTTT", "STC", "SYT", "SGDDT", "SNV", "SXD", "STP", "SNNMT", "VPUBND", "SCT")
SERVER_ROLES = ("DC", "WEB", "FS", "DB", "BK", "APP")  # in turn; WEB, DB and APP run Linux
LINUX_ROLES = frozenset({"WEB", "DB", "APP"})


@dataclass(frozen=True, slots=True)
class Person:
    login: str
    name: str
    number: int  # relative identifier of the SID

    @property
    def sid(self) -> str:
        return f"{SID}-{self.number}"


@dataclass(frozen=True, slots=True)
class Machine:
    name: str  # short
    address: str  # RFC 1918
    role: str  # WS or one of SERVER_ROLES
    person: Person  # who sits before it; for servers, who looks after them

    @property
    def host(self) -> str:
        return f"{self.name}.{DOMAIN}"

    @property
    def is_linux(self) -> bool:
        return self.role in LINUX_ROLES


@dataclass(frozen=True, slots=True)
class Site:
    workstations: tuple[Machine, ...]
    servers: tuple[Machine, ...]

    def server(self, role: str) -> Machine:
        """The first server of a role: a plan has at least one of each."""
        return next(one for one in self.servers if one.role == role)

    def of_role(self, role: str) -> list[Machine]:
        return [one for one in self.servers if one.role == role]


ADMINISTRATOR = Person("quantri", "Quản trị hệ thống", 1103)


def site_of(plan: Plan) -> Site:
    """The site of a plan.

    Raises:
        ValueError: fewer than one workstation or six servers, or more than 60,000 or 200.
    """
    if not 1 <= plan.workstations <= 60_000:
        raise ValueError(f"workstations: 1 to 60,000, not {plan.workstations}")
    if not len(SERVER_ROLES) <= plan.servers <= 200:
        raise ValueError(
            f"servers: {len(SERVER_ROLES)} (one of each role) to 200, not {plan.servers}"
        )
    return Site(
        tuple(_workstation(plan, number) for number in range(plan.workstations)),
        tuple(_server(number) for number in range(plan.servers)),
    )


def _workstation(plan: Plan, number: int) -> Machine:
    agency = AGENCIES[number % len(AGENCIES)]
    person = _person(plan, number)
    address = f"10.{20 + number // 50_000}.{number // 200 % 250}.{10 + number % 200}"
    return Machine(f"WS-{agency}-{number + 1:04}", address, "WS", person)


def _server(number: int) -> Machine:
    role = SERVER_ROLES[number % len(SERVER_ROLES)]
    name = f"SV-{role}{number // len(SERVER_ROLES) + 1:02}"
    if role in LINUX_ROLES:
        name = name.lower()
    return Machine(name, f"10.12.0.{10 + number}", role, ADMINISTRATOR)


def _person(plan: Plan, number: int) -> Person:
    dice = chance(plan, "person", number)
    family, middle, given = dice.choice(FAMILY), dice.choice(MIDDLE), dice.choice(GIVEN)
    login = f"{plain(given)}{plain(family)[0]}{plain(middle)[0]}{number + 1:04}"
    return Person(login, f"{family} {middle} {given}", 1200 + number)


def plain(text: str) -> str:
    """Vietnamese text as a login has it.

    >>> plain("Đặng Thị Hương")
    'dangthihuong'
    """
    bare = unicodedata.normalize("NFD", text.replace("Đ", "D").replace("đ", "d"))
    return "".join(letter for letter in bare.lower() if letter.isascii() and letter.isalnum())
