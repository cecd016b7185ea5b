"""The agent as a process: killed, stopped, asked."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.agent.conftest import ROOT, agent_process, ended, wait_until
from tests.agent.small_platform import TOKEN


def tail_of(home: Path, log: Path) -> None:
    (home / "agent.yaml").write_text(f"inputs: [{{kind: file, paths: ['{log}']}}]\n")


@pytest.mark.slow
def test_killed_twenty_times_every_line_arrives_once_and_in_order(home, platform, tmp_path):
    """SIGKILL at random moments while a file grows; numbers without gap, bytes as written."""
    log = tmp_path / "a.log"
    tail_of(home, log)
    dice, written, kills = random.Random(7), 0, 0
    with log.open("ab", buffering=0) as file:
        while kills < 20:
            process = agent_process(home)
            stored = len(platform.stored(f"file:{log}"))
            for _ in range(dice.randint(40, 80)):
                file.write(b"".join(b"line %d \xff\n" % (written + n) for n in range(25)))
                written += 25
            wait_until(lambda: len(platform.stored(f"file:{log}")) > stored)  # noqa: B023
            for _ in range(dice.randint(0, 10)):
                file.write(b"line %d \xff\n" % written)
                written += 1
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
    process = agent_process(home)
    wait_until(lambda: len(platform.stored(f"file:{log}")) >= written)
    ended(process)
    stored = platform.stored(f"file:{log}")
    assert [stored[number + 1] for number in range(written)] == [
        b"line %d \xff" % number for number in range(written)
    ]
    assert len({header.incarnation for header, _ in platform.batches}) == 1


def test_a_record_is_shipped_within_a_second(home, platform, tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    tail_of(home, log)
    process = agent_process(home)
    wait_until(lambda: platform.notices())
    with log.open("ab") as file:
        file.write(b"a line\n")
    wait_until(lambda: platform.stored(f"file:{log}"), seconds=1.5)
    ended(process)


def test_says_start_and_stop(home, platform):
    process = agent_process(home)
    wait_until(lambda: platform.notices())
    ended(process)
    assert [one["kind"] for one in platform.notices()] == ["start", "stop"]
    assert process.returncode == 0


def test_says_that_it_was_killed(home, platform):
    process = agent_process(home)
    wait_until(lambda: platform.notices())
    process.kill()
    process.communicate()
    process = agent_process(home)
    wait_until(lambda: len(platform.notices()) >= 3)
    ended(process)
    assert [one["kind"] for one in platform.notices()][1:3] == ["unclean_stop", "start"]


def test_a_killed_agent_leaves_no_journalctl_behind(home, platform, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    (home / "agent.yaml").write_text("inputs: [journal]\n")
    process = agent_process(home)
    agent = psutil.Process(process.pid)
    wait_until(lambda: [one for one in agent.children() if one.name() == "sleep"])
    children = agent.children()
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def test_stops_in_time_while_the_platform_is_away(home, platform):
    platform.answers.extend([(503, {"Retry-After": "300"}, {})] * 9)
    process = agent_process(home)
    wait_until(lambda: platform.seen)
    ended(process, seconds=10)
    assert process.returncode == 0


def test_takes_the_inputs_that_the_platform_wants(home, platform, tmp_path):
    log = tmp_path / "wanted.log"
    log.write_bytes(b"a line\n")
    platform.inputs = [{"kind": "file", "paths": [str(log)], "source": "syslog"}]
    process = agent_process(home)
    wait_until(lambda: platform.stored(f"file:{log}"))
    ended(process)
    assert "configuration" in [one["kind"] for one in platform.notices()]


def test_unusable_inputs_from_the_platform_are_reported_and_the_own_ones_stay(home, platform):
    platform.inputs = [{"kind": "telepathy"}]
    process = agent_process(home)
    wait_until(lambda: "input_error" in [one["kind"] for one in platform.notices()])
    ended(process)
    assert process.returncode == 0


def test_once_ships_files_and_ends(home, platform, tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n\xff\xfe\nlast without newline")
    process = agent_process(home, str(log), "--source", "syslog", verb="once")
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert b"3 records acknowledged" in output
    assert platform.stored(f"file:{log}") == {1: b"one", 2: b"\xff\xfe", 3: b"last without newline"}


def test_once_names_a_file_that_is_not_there(home, tmp_path):
    process = agent_process(home, str(tmp_path / "gone.log"), verb="once")
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, b"there is no" in output) == (2, True)


def test_status_says_what_the_agent_cannot_see(home, platform, tmp_path):
    (home / "agent.yaml").write_text(f"inputs: [{{kind: evtx, paths: ['{tmp_path}/gone.evtx']}}]\n")
    process = agent_process(home)
    wait_until(lambda: (home / "status.json").exists())
    ended(process)
    status = agent_process(home, "--json", verb="status")
    facts = json.loads(status.communicate(timeout=20)[0])
    assert list(facts["blind_spots"]) == [f"evtx:{tmp_path}/gone.evtx"]
    assert facts["is_running"] is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("inputs: [{kind: telepathy}]", "telepathy"),
        ("inputs: [{kind: file}]", "paths"),
        ("limits: {memory: 3}", "memory"),
        ("inputs: [", "agent.yaml cannot be read"),
        ("inputs: [{kind: syslog, udp: '127.0.0.1'}]", "host:port"),
    ],
)
def test_a_wrong_config_is_refused_with_its_place(home, text, said):
    (home / "agent.yaml").write_text(text)
    process = agent_process(home)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said in output.decode()
    assert "Traceback" not in output.decode()


def test_a_wrong_token_is_refused_with_the_platforms_reason(tmp_path, platform):
    arguments = ["--platform", platform.url, "--ca", str(platform.ca), "--token", "wrong"]
    process = agent_process(tmp_path / "new", *arguments, verb="enrol")
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, b"unknown token" in output) == (2, True)


def test_enrols_by_the_command_line(tmp_path, platform):
    arguments = ["--platform", platform.url, "--ca", str(platform.ca), "--token", TOKEN]
    process = agent_process(tmp_path / "new", *arguments, verb="enrol")
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, b"enrolled as agent-1\n")


@pytest.mark.root
def test_without_root_it_names_what_it_cannot_see(home, platform):
    """The agent as the user nobody, in a home of that user's."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    (home / "agent.yaml").write_text("inputs: [audit]\n")
    for path in (home.parent, home.parent.parent, home.parent.parent.parent):
        path.chmod(0o755)
    subprocess.run(["chown", "-R", "nobody", str(home)], check=True)
    # The interpreter may stand where nobody cannot read: become nobody after the imports.
    script = f"""
import encodings.idna, os, sys
from collectors.agent.main import main
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(["run", "--home", {str(home)!r}]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    wait_until(lambda: "blind_spot" in [one["kind"] for one in platform.notices()])
    ended(process)
    [first, *_] = [one for one in platform.notices() if one["kind"] == "blind_spot"]
    assert (first["input"], "root" in first["reason"]) == ("process", True)


def test_a_command_key_that_the_ca_does_not_vouch_for_is_told_and_not_obeyed(tmp_path, platform):
    """The enrolment stands all the same: its token is used up."""
    own, offered = platform.decide, {"command_certificate": platform.ca.read_text()}

    def decide(method, path, headers, body):
        status, extra, content = own(method, path, headers, body)
        return status, extra, content | (offered if path in ("/v1/enrol", "/v1/commands") else {})

    platform.decide = decide
    home = tmp_path / "new"
    arguments = ["--platform", platform.url, "--ca", str(platform.ca), "--token", TOKEN]
    process = agent_process(home, *arguments, verb="enrol")
    assert (process.communicate(timeout=20)[0], process.returncode) == (b"enrolled as agent-1\n", 0)
    assert not (home / "command.pem").exists()
    (home / "agent.yaml").write_text("inputs: []\n")
    process = agent_process(home)
    wait_until(lambda: "input_error" in [one["kind"] for one in platform.notices()])
    ended(process)
    [told] = [one for one in platform.notices() if one["kind"] == "input_error"]
    assert (told["input"], "certificate" in told["reason"]) == ("commands", True)
