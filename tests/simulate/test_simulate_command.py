"""``soc simulate``: a folder that readers and ``soc scan`` take, and labels that point into it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soc.cli.main import group
from soc.collect.discovery import read
from soc.detect.packs import Pack
from soc.model.event import RawRecord
from soc.shipped import folder as shipped
from soc.simulate import Plan, days, scenario_names
from soc.simulate.files import file_of
from soc.simulate.scenarios import scenarios

OPTIONS = ("--workstations", "6", "--servers", "6", "--seed", "9", "--attack", "all", "--days", "2")
PLAN = Plan(seed=9, days=2, workstations=6, servers=6, attacks=scenario_names())
RUN = (sys.executable, "-m", "soc.cli.main")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-up") / "days"
    done = subprocess.run(
        [*RUN, "simulate", str(folder), *OPTIONS], capture_output=True, text=True, check=True
    )
    assert "synthetic" in done.stdout
    return folder


def records_of(file: Path) -> list[bytes]:
    separator = b"\n\n" if file.suffix == ".txt" else b"\n"
    return file.read_bytes().removesuffix(separator).split(separator)


def labels(folder: Path) -> Iterator[dict[str, object]]:
    for line in (folder / "labels.jsonl").read_text("utf-8").splitlines():
        yield json.loads(line)


def test_the_files_hold_the_records_byte_for_byte(written: Path) -> None:
    """What the API gives and what the files hold is the same, in the same order within each file."""
    wanted: dict[str, list[bytes]] = defaultdict(list)
    for record in days(PLAN):
        wanted[file_of(record)].append(record.raw)
    found = {
        str(path.relative_to(written)): records_of(path)
        for path in (written / "records").rglob("*.*")
    }
    assert found == wanted


def test_labels_point_to_the_records_of_their_attack(written: Path) -> None:
    """Both by the place among all records and by file and place."""
    every = list(days(PLAN))
    told = list(labels(written))
    assert sorted(str(label["run"]) for label in told) == sorted(
        f"{day}/{name}" for day in ("2026-11-23", "2026-11-24") for name in scenario_names()
    )
    for label in told:
        ordinals, files = label["ordinals"], label["records"]
        assert isinstance(ordinals, list)
        assert isinstance(files, dict)
        own = [every[ordinal - 1] for ordinal in ordinals]
        assert {one.label.run for one in own if one.label} == {label["run"]}
        assert len(own) == sum(1 for one in every if one.label and one.label.run == label["run"])
        placed = [
            records_of(written / name)[place - 1]
            for name, places in files.items()
            for place in places
        ]
        assert sorted(placed) == sorted(one.raw for one in own)
        assert label["start"] == own[0].at.isoformat()
        assert label["end"] == own[-1].at.isoformat()


def test_the_folder_says_that_it_is_synthetic(written: Path) -> None:
    told = json.loads((written / "plan.json").read_text("utf-8"))
    assert told["notice"].startswith("Synthetic")
    assert told["seed"] == 9


def test_scan_takes_the_folder_and_finds_the_attacks(
    written: Path, pack: Pack, pack_cache: Path
) -> None:
    """``soc scan --source auto`` reads every line; all but audit serials and portals by host is found."""
    done = subprocess.run(
        [*RUN, "scan", "--rules", str(shipped("rules")), "--mapping", "ecs", "--source", "auto", "--stats",
         "--cache", str(pack_cache), str(written / "records")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "unreadable: 0" in done.stderr
    found = {json.loads(line)["rule_id"] for line in done.stdout.splitlines()}
    for name in (
        "brute-force",
        "kerberoasting",
        "log-clearing",
        "ransomware-preparation",
        "vpn-guessed",
        "dns-tunnel",
    ):
        assert set(scenarios()[name][0].expects) <= found, name


def test_audit_serials_are_read_from_the_file(written: Path) -> None:
    now = next(days(PLAN)).at
    for raw in records_of(written / "records/linux_audit.txt"):
        record = RawRecord(raw, "linux_audit", received_at=now)
        assert next(iter(read(record))).fields["process.command_line"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x", "--workstations", "0"], "workstations: 1 to 60,000"),
        (["x", "--servers", "5"], "servers: 6"),
        (["x", "--attack", "no-such"], "no scenario no-such (known: brute-force"),
        ([], "name a folder"),
    ],
)
def test_wrong_use_is_told_with_the_remedy(
    arguments: list[str], reason: str, tmp_path: Path
) -> None:
    places = [str(tmp_path / "x") if one == "x" else one for one in arguments]
    done = CliRunner().invoke(group, ["simulate", *places])
    assert done.exit_code == 2
    assert reason in done.output
    assert not (tmp_path / "x").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    done = subprocess.run(
        [*RUN, "simulate", str(tmp_path), *OPTIONS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_the_attacks_are_listed_in_both_languages() -> None:
    done = CliRunner().invoke(group, ["simulate", "--list"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) == len(scenario_names())
    assert "Xóa nhật ký bảo mật" in done.output
