"""What ransomware does before it encrypts: shadow copies deleted, recovery off, services stopped."""

from __future__ import annotations

from collections.abc import Iterator

from soc.simulate import windows_records as windows
from soc.simulate.record import Draft
from soc.simulate.scenarios.stage import Scenario, Stage

SCENARIO = Scenario(
    name="ransomware-preparation",
    title="Shadow copies deleted and services stopped before encryption",
    title_vi="Xóa bản sao lưu bóng và dừng dịch vụ trước khi mã hóa",
    techniques=("T1490", "T1489"),
    on="FS",
    hour=22,
    expects=(
        "8391f28d-f540-50a0-a397-195d38726c43",
        "ab40a914-6562-546a-a62a-7d0dcf241913",
        "7a40c054-397f-52d1-93d3-5fdd7a0ccb79",
        "295ea210-fcd9-5682-aa05-d8049389ed85",
        "bf7ae53d-a91f-5ae5-8f8a-46b683b736a8",
        "0be6c7ef-4d2b-5415-9b16-79e37e83cda3",
    ),
)
SYSTEM32, CMD = r"C:\Windows\System32", r"C:\Windows\System32\cmd.exe"
COMMANDS = (
    ("vssadmin.exe", "vssadmin delete shadows /all /quiet"),
    ("bcdedit.exe", "bcdedit /set {default} recoveryenabled no"),
    ("wbadmin.exe", "wbadmin delete catalog -quiet"),
)
STOPPED = (
    *(
        "VeeamBackupSvc",
        "VeeamCatalogSvc",
        "MSSQLSERVER",
        "SQLWriter",
        "SQLBrowser",
        "BackupExecJobEngine",
    ),
    *("AcronisAgent", "MSExchangeIS", "OracleServiceXE", "mysqld", "wbengine", "SQLSERVERAGENT"),
)


def play(stage: Stage) -> Iterator[Draft]:
    """Fifteen commands within a minute and a half."""
    server = stage.machine("FS")
    commands = [*COMMANDS, *(("net.exe", f"net stop {name} /y") for name in STOPPED)]
    for turn, (program, command) in enumerate(commands):
        image = f"{SYSTEM32}\\{program}"
        yield windows.process_audited(
            stage.after(turn * 6), server, server.person, image, command, CMD
        )
