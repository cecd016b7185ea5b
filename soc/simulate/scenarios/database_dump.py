"""SSH guessed on the database server, the databases dumped and carried away."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import firewall_records as firewall
from soc.simulate import unix_records as unix
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import ATTACKER, Scenario, Stage

SCENARIO = Scenario(
    name="database-dump",
    title="SSH password guessed, databases dumped and carried away",
    title_vi="Dò mật khẩu SSH, kết xuất cơ sở dữ liệu và mang đi",
    techniques=("T1110.001", "T1005", "T1048"),
    on="DB",
    hour=23,
    expects=(
        "ac2747ac-f539-5104-9015-755ad30de0b3",
        "a1fe52cb-464b-599c-8b12-1b672b0036b8",
        "677924ec-0e5d-556b-b7c9-6dabbf015196",
        "b4c5f004-6470-5298-8465-4ccb1e302e54",
        "d424f491-9f2f-58b2-9a85-24d36b0b1f07",
        "21cb89fc-0d1e-551c-8c12-32346e4c8282",
    ),
)


def play(stage: Stage) -> Iterator[Draft]:
    """Twenty-five refusals, a log-in as root, mysqldump, and 4 GB through the firewall."""
    server = stage.machine("DB")
    for turn in range(25):
        yield unix.ssh_refused(stage.after(turn * 5), server, "root", ATTACKER, 42_000 + turn)
    yield unix.ssh_accepted(stage.after(130), server, "root", ATTACKER, 42_100, password=True)
    dump = ("mysqldump", "--all-databases", "--result-file=/var/backups/tat-ca.sql")
    yield unix.executed(
        stage.after(160),
        server,
        dump,
        executable="/usr/bin/mysqldump",
        parent="/usr/bin/bash",
        pid=51_000,
    )
    yield firewall.passed(
        stage.after(600), server.address, ATTACKER, 443, "HTTPS", 4_000_000_000, 90_000, 420
    )
