"""What servers do by themselves and under their administrators, the portal's visitors, and the Internet's scanners."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from soc.simulate import firewall_records as firewall
from soc.simulate import unix_records as unix
from soc.simulate import windows_records as windows
from soc.simulate.desk_work import OUTSIDE, count
from soc.simulate.record import VIETNAM, Draft
from soc.simulate.site import Machine, Site
from soc.simulate.working_hours import SATURDAY, SLOT

MANAGEMENT = "10.12.0.5"  # whence the administrators work
VISITS = 0.8  # of the administrator to any server, in half an hour
CRON_JOBS = (  # user, arguments
    ("root", ("/usr/bin/run-parts", "--report", "/etc/cron.hourly")),
    ("root", ("/usr/sbin/logrotate", "/etc/logrotate.conf")),
    ("www-data", ("/usr/bin/php8.2", "/var/www/cong/artisan", "schedule:run")),
    ("root", ("/usr/lib/sysstat/sadc", "-F", "-L", "1", "1", "-")),
)
ADMIN_COMMANDS = (
    ("/usr/bin/systemctl", "status nginx"),
    ("/usr/bin/apt-get", "update"),
    ("/usr/bin/tail", "-n 100 /var/log/syslog"),
    ("/usr/bin/systemctl", "reload apache2"),
    ("/usr/bin/df", "-h"),
)
WINDOWS = r"C:\Windows\System32"
VEEAM = r"C:\Program Files\Veeam\Backup and Replication\Backup\VeeamAgent.exe"
WINDOWS_WORK = (  # image, arguments, parent
    (rf"{WINDOWS}\svchost.exe", "-k LocalServiceNetworkRestricted -p", rf"{WINDOWS}\services.exe"),
    (rf"{WINDOWS}\wbem\WmiPrvSE.exe", "-secured -Embedding", rf"{WINDOWS}\svchost.exe"),
    (rf"{WINDOWS}\conhost.exe", "0xffffffff -ForceV1", rf"{WINDOWS}\taskhostw.exe"),
    (VEEAM, "-i {number}", rf"{WINDOWS}\services.exe"),
)
SCANNED_PORTS = (22, 23, 80, 443, 445, 3389, 5900, 8080)
CRAWLER = "Mozilla/5.0 (compatible; may-tim-kiem/2.1; +https://tim-kiem.example/bot.html)"
AT_NIGHT = 0.35  # what the portal keeps of its day


def quarter(
    start: datetime, server: Machine, site: Site, dice: random.Random, rate: float, *, visited: bool
) -> Iterator[Draft]:
    """A server's records from ``start`` for a quarter of an hour."""
    if server.is_linux:
        yield from _cron(start, server, dice)
        yield from _administration(start, server, dice, visited=visited)
        if server.role == "WEB":
            yield from _visitors(start, server, dice, rate)
    else:
        yield from _windows(start, server, dice, rate, visited=visited)
    if server == site.servers[0]:
        yield from _scanners(start, dice, rate)
        yield from _firewall_care(start)


def visited_server(start: datetime, site: Site, dice: random.Random) -> Machine | None:
    """Where the administrator works: one server at most in half an hour, 8 to 17 o'clock of a working day."""
    local = start.astimezone(VIETNAM)
    there = local.weekday() < SATURDAY and 8 <= local.hour < 17 and local.minute in (0, 30)
    return dice.choice(site.servers) if there and dice.random() < VISITS else None


def _cron(start: datetime, server: Machine, dice: random.Random) -> Iterator[Draft]:
    at = start + timedelta(seconds=1, milliseconds=dice.randrange(900))
    user, arguments = dice.choice(CRON_JOBS)
    pid, uid = dice.randrange(2_000, 60_000), 33 if user == "www-data" else 0
    session = "pam_unix(cron:session): session"
    yield unix.said(
        at, server, "CRON", f"{session} opened for user {user}(uid={uid}) by (uid=0)", pid
    )
    yield unix.cron(at, server, user, " ".join(arguments), pid)
    yield unix.executed(
        at, server, arguments, executable=arguments[0], parent="/usr/bin/dash", uid=uid, user=user, pid=pid
    )  # fmt: skip
    yield unix.said(at, server, "CRON", f"{session} closed for user {user}", pid)


def _administration(
    start: datetime, server: Machine, dice: random.Random, *, visited: bool
) -> Iterator[Draft]:
    """People in working hours; at 6:00 the configuration management visits every Linux server."""
    local = start.astimezone(VIETNAM)
    if (local.hour, local.minute) == (6, 0):
        at = start + timedelta(seconds=dice.randrange(600))
        yield unix.ssh_accepted(at, server, "cauhinh", MANAGEMENT, dice.randrange(40_000, 60_000))
        yield unix.sudo(at, server, "cauhinh", "/usr/bin/apt-get -y upgrade")
    if visited:
        at = start + SLOT * dice.random()
        port, (program, arguments) = dice.randrange(40_000, 60_000), dice.choice(ADMIN_COMMANDS)
        if dice.random() < 0.1:  # a typing mistake
            yield unix.ssh_refused(at, server, "quantri", MANAGEMENT, port)
        yield unix.ssh_accepted(at, server, "quantri", MANAGEMENT, port)
        yield unix.sudo(at, server, "quantri", f"{program} {arguments}")
        words = (program.rpartition("/")[2], *arguments.split())
        yield unix.executed(
            at,
            server,
            words,
            executable=program,
            parent="/usr/bin/sudo",
            pid=dice.randrange(2_000, 60_000),
        )


def _visitors(
    start: datetime, server: Machine, dice: random.Random, rate: float
) -> Iterator[Draft]:
    """Citizens from outside, a search engine, and what asks for pages that are not there."""
    hour = start.astimezone(VIETNAM).hour
    share = 1.0 if 7 <= hour < 22 else AT_NIGHT
    for _ in range(count(20 * share * rate, dice)):
        at = start + SLOT * dice.random()
        address = dice.choice(OUTSIDE).format(dice.randrange(3, 250))
        number = dice.randrange(1, 90_000)
        request, status = dice.choices(
            (
                ("GET /", 200),
                (f"GET /thu-tuc/{number % 1900}", 200),
                (f"GET /tra-cuu?ma=H{number:06}", 200),
                ("POST /dang-nhap", 302),
                (f"GET /anh/{number}.jpg", 200),
                (f"GET /cu/{number % 300}.html", 404),
            ),
            (20, 30, 15, 3, 30, 2),
        )[0]
        yield unix.asked(at, server, address, request, status, dice.randrange(300, 250_000))
    if dice.random() < 0.3:
        at = start + SLOT * dice.random()
        yield unix.asked(at, server, "192.0.2.66", "GET /robots.txt", 200, 120, CRAWLER)


def _windows(
    start: datetime, server: Machine, dice: random.Random, rate: float, *, visited: bool
) -> Iterator[Draft]:
    for _ in range(count(3 * rate, dice)):
        at = start + SLOT * dice.random()
        image, arguments, parent = dice.choice(WINDOWS_WORK)
        command = f'"{image}" {arguments.format(number=dice.randrange(1, 900))}'
        yield windows.process_audited(at, server, server.person, image, command, parent)
    local = start.astimezone(VIETNAM)
    if visited:
        at = start + SLOT * dice.random()
        yield windows.logged_on(
            at, server, server.person, 10, MANAGEMENT, dice.randrange(49_152, 65_535)
        )
    if server.role == "BK" and (local.hour, local.minute) == (22, 0):
        image = r"C:\Windows\System32\vssadmin.exe"
        yield windows.process_audited(
            start, server, server.person, image, "vssadmin list shadows", VEEAM
        )
    if server.role == "DC" and local.weekday() < SATURDAY and (local.hour, local.minute) == (9, 0):
        yield windows.service_installed(
            start + timedelta(seconds=30),
            server,
            "MpKslDrv",
            r"C:\Program Files\Windows Defender\MpKslDrv.sys",
        )


def _scanners(start: datetime, dice: random.Random, rate: float) -> Iterator[Draft]:
    """The Internet's usual knocking, denied; each source at a few addresses only."""
    for _ in range(count(8 * rate, dice)):
        at = start + SLOT * dice.random()
        source = f"203.0.113.{dice.randrange(3, 250)}"
        target = f"198.51.100.{dice.randrange(1, 14)}"
        yield firewall.denied(at, source, target, dice.choice(SCANNED_PORTS))


def _firewall_care(start: datetime) -> Iterator[Draft]:
    local = start.astimezone(VIETNAM)
    if local.weekday() < SATURDAY and (local.hour, local.minute) == (8, 15):
        yield firewall.administrator(start + timedelta(seconds=41), "quantri", MANAGEMENT)
