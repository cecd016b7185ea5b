"""What a workstation does: programs, names asked for, pages through the firewall, shares, prints, updates."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from soc.simulate import firewall_records as firewall
from soc.simulate import unix_records as unix
from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.site import Machine, Site, plain
from soc.simulate.working_hours import SLOT, Presence, liveliness

EXPLORER, SERVICES = r"C:\Windows\explorer.exe", r"C:\Windows\System32\services.exe"
CHROME = r"C:\Program Files\Google\Chrome\Application\chrome.exe"
EDGE = r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe"
OFFICE = r"C:\Program Files\Microsoft Office\root\Office16"
FOXIT = r"C:\Program Files\Foxit Software\Foxit PDF Reader\FoxitPDFReader.exe"
DEFENDER = r"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.26040.7-0\MpCmdRun.exe"
PROGRAMS = (  # image, arguments, parent, weight
    (f"{OFFICE}\\WINWORD.EXE", '/n "D:\\{agency}\\{document}.docx" /o ""', EXPLORER, 10),
    (f"{OFFICE}\\EXCEL.EXE", '/dde "D:\\{agency}\\{document}.xlsx"', EXPLORER, 7),
    (f"{OFFICE}\\OUTLOOK.EXE", "", EXPLORER, 3),
    (CHROME, "--type=renderer --lang=vi --renderer-client-id={number}", CHROME, 20),
    (EDGE, "--type=utility --utility-sub-type=network.mojom.NetworkService --lang=vi", EDGE, 8),
    (FOXIT, '"D:\\{agency}\\{document}.pdf"', EXPLORER, 6),
    (r"C:\Users\{login}\AppData\Local\Programs\Zalo\Zalo.exe", "", EXPLORER, 2),
    (r"C:\Program Files (x86)\UniKey\UniKeyNT.exe", "", EXPLORER, 1),
    (r"C:\Windows\System32\notepad.exe", "", EXPLORER, 1),
    (r"C:\Windows\System32\svchost.exe", "-k netsvcs -p -s wuauserv", SERVICES, 3),
    (r"C:\Windows\System32\taskhostw.exe", "", r"C:\Windows\System32\svchost.exe", 3),
    (DEFENDER, "SignatureUpdate -ScheduleJob", SERVICES, 2),
    (r"C:\Program Files\Veeam\Endpoint Backup\Veeam.EndPoint.Manager.exe", "/backup /auto", SERVICES, 1),
)  # fmt: skip
DOCUMENTS = (
    "Báo cáo tuần",
    "Tờ trình",
    "Công văn đến",
    "Danh sách cán bộ",
    "Kế hoạch năm",
    "Biên bản họp",
    "Dự toán",
)
NAMES = (
    "dichvucong",
    "vanban",
    "mail",
    "bao",
    "tin-tuc",
    "khotailieu",
    "capnhat",
    "hop-truc-tuyen",
)
OUTSIDE = ("192.0.2.{}", "198.51.100.{}", "203.0.113.{}")  # RFC 5737
UPDATE = (
    "2026-11 Cumulative Update for Windows 10 Version 22H2 for x64-based Systems (KB50{number})"
)

Act = Callable[[datetime, Machine, Site, random.Random], Iterator[Draft]]


def starts_program(at: datetime, machine: Machine, _: Site, dice: random.Random) -> Iterator[Draft]:
    image, arguments, parent, _weight = dice.choices(PROGRAMS, WEIGHTS)[0]
    words = {
        "login": machine.person.login,
        "agency": machine.name.split("-")[1],
        "document": f"{dice.choice(DOCUMENTS)} {dice.randrange(1, 400)}",
        "number": dice.randrange(3, 9_000),
    }
    image = image.format(**words)
    command = f'"{image}" {arguments.format(**words)}'.rstrip()
    yield windows.process_started(at, machine, machine.person, image, command, parent)


def browses(at: datetime, machine: Machine, site: Site, dice: random.Random) -> Iterator[Draft]:
    name = f"{dice.choice(NAMES)}{dice.randrange(1, 60)}.example"
    address = dice.choice(OUTSIDE).format(dice.randrange(3, 250))
    sent, received = dice.randrange(600, 40_000), dice.randrange(2_000, 3_000_000)
    yield windows.name_asked(at, machine, CHROME, name, address)
    yield firewall.resolved(at, machine.address, site.server("DC").address, name)
    yield firewall.passed(
        at, machine.address, address, 443, "HTTPS", sent, received, dice.randrange(1, 240)
    )


def uses_portal(at: datetime, machine: Machine, site: Site, dice: random.Random) -> Iterator[Draft]:
    portal = dice.choice(site.of_role("WEB"))
    number = dice.randrange(1, 9_000)
    request, status = dice.choices(
        (
            (f"GET /tin-tuc/{number}.html", 200),
            (f"GET /ho-so?ma=H{number:06}", 200),
            ("POST /dang-nhap", 302),
            ("GET /static/giao-dien.css", 304),
            (f"GET /tai-lieu/{number}.pdf", 200),
            ("GET /favicon.ico", 404),
        ),
        (30, 20, 4, 20, 10, 2),
    )[0]
    yield unix.asked(at, portal, machine.address, request, status, dice.randrange(200, 90_000))


def opens_share(at: datetime, machine: Machine, site: Site, dice: random.Random) -> Iterator[Draft]:
    server, controller, person = dice.choice(site.of_role("FS")), site.server("DC"), machine.person
    service = f"{server.name}$"
    yield windows.service_ticket(at, controller, person, machine.address, service)
    yield windows.logged_on(at, server, person, 3, machine.address, dice.randrange(49_152, 65_535))
    yield windows.share_opened(at, server, person, machine.address, "HoSo")
    yield windows.logged_off(at, server, person, 3, at)


def prints(at: datetime, machine: Machine, _: Site, dice: random.Random) -> Iterator[Draft]:
    title = f"Microsoft Word - {dice.choice(DOCUMENTS)} {dice.randrange(1, 400)}.docx"
    yield windows.printed(at, machine, machine.person, title, dice.randrange(1, 30))


def unlocks(at: datetime, machine: Machine, _: Site, dice: random.Random) -> Iterator[Draft]:
    if dice.random() < 0.15:  # a typing mistake
        yield windows.log_on_failed(at, machine, machine.person.login, 7, "127.0.0.1")
    yield windows.logged_on(at, machine, machine.person, 7, "127.0.0.1", 0)


def cares_for_itself(
    at: datetime, machine: Machine, _: Site, dice: random.Random
) -> Iterator[Draft]:
    if dice.random() < 0.5:
        yield windows.scanned(at, machine)
    else:
        yield windows.update_installed(
            at, machine, UPDATE.format(number=dice.randrange(10_000, 99_999))
        )


ACTS: tuple[tuple[Act, int], ...] = (
    (starts_program, 50),
    (browses, 25),
    (uses_portal, 12),
    (opens_share, 6),
    (prints, 3),
    (unlocks, 3),
    (cares_for_itself, 1),
)
WEIGHTS = [weight for *_, weight in PROGRAMS]
ACT_WEIGHTS = [weight for _, weight in ACTS]
A_SLOT = 1.6  # acts of a workstation in a quarter of an hour at rate 1


def quarter(
    start: datetime, machine: Machine, there: Presence, site: Site, dice: random.Random, rate: float
) -> Iterator[Draft]:
    """A workstation's records from ``start`` for a quarter of an hour."""
    end = start + SLOT
    if start <= there.arrives < end:
        yield from _arrives(there.arrives, machine, site, dice)
    if start <= there.leaves < end:
        yield windows.logged_off(there.leaves, machine, machine.person, 2, there.arrives)
    for _ in range(count(A_SLOT * rate * liveliness(start), dice)):
        at = start + SLOT * dice.random()
        if there.arrives < at < there.leaves:
            yield from dice.choices(ACTS, ACT_WEIGHTS)[0][0](at, machine, site, dice)


def count(expected: float, dice: random.Random) -> int:
    """A whole number whose mean is ``expected``, between none and twice as many."""
    spread = dice.random() * 2 * expected
    return int(spread) + (dice.random() < spread % 1)


def _arrives(at: datetime, machine: Machine, site: Site, dice: random.Random) -> Iterator[Draft]:
    controller, person = site.server("DC"), machine.person
    for _ in range(dice.choices((0, 1, 2), (85, 12, 3))[0]):
        yield windows.log_on_failed(
            at - timedelta(milliseconds=1), machine, person.login, 2, "127.0.0.1"
        )
    yield windows.ticket_granted(at, controller, person, machine.address)
    yield windows.service_ticket(at, controller, person, machine.address, f"{machine.name}$")
    yield windows.logged_on(at, machine, person, 2, "127.0.0.1", 0)
    image = r"C:\Windows\System32\userinit.exe"
    yield windows.process_started(at, machine, person, EXPLORER, EXPLORER, image)
    if plain(person.login)[-1] == "7":  # some of them connect a printer's drive at log-in
        command = r"net use P: \\SV-FS01\HoSo /persistent:yes"
        yield windows.process_started(
            at, machine, person, r"C:\Windows\System32\net.exe", command, EXPLORER
        )
