"""``soc up`` refuses with a plain sentence, starts quickly the second time, and stops cleanly."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from bench.running_site import processes_below, running_site, site_environment

SOC_UP = [sys.executable, "-m", "soc.cli.main", "up"]


def refused(environment: dict[str, str]) -> str:
    """What ``soc up`` says when it refuses; it must end with exit code 2 and without a traceback."""
    done = subprocess.run(
        SOC_UP, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_busy_port_is_named_with_the_remedy(tmp_path: Path):
    """Somebody else listens on the console's port."""
    environment = site_environment(tmp_path / "site")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", int(environment["SOC_PORT"])))
        busy.listen()
        said = refused(environment)
    assert f"port {environment['SOC_PORT']}" in said
    assert "SOC_PORT=" in said


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path):
    """The home lies below a file, which no right of root's can change."""
    (tmp_path / "file").touch()
    said = refused(site_environment(tmp_path / "file" / "site"))
    assert "cannot write to" in said
    assert "SOC_HOME=" in said


def test_a_wrong_setting_is_named_with_the_remedy(tmp_path: Path):
    """A typing mistake in a setting never starts a half-right site."""
    said = refused(site_environment(tmp_path / "site") | {"SOC_PORT": "eight"})
    assert "SOC_PORT" in said


@pytest.mark.slow
def test_a_site_starts_again_and_ctrl_c_leaves_nothing_running(tmp_path: Path):
    """Start, stop, start again: the password shown once, no process left (bench/memory.py times it)."""
    with running_site(tmp_path / "site", "--demo") as first:
        assert first.password
    with running_site(tmp_path / "site", "--demo") as second:
        assert not second.password
        children = processes_below(second.process.pid)
        with urllib.request.urlopen(second.console + "/health", timeout=5) as reply:
            assert reply.status == 200
    assert second.process.returncode == 0
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.slow
def test_what_dies_is_started_again(tmp_path: Path):
    """The worker is killed; a new one takes its place."""
    with running_site(tmp_path / "site", "--demo", own_agent="false") as site:

        def worker() -> int | None:
            for pid in processes_below(site.process.pid):
                if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0work\0"):
                    return pid
            return None

        old = worker()
        assert old
        os.kill(old, 9)
        deadline = time.monotonic() + 20
        while worker() in (None, old):
            assert time.monotonic() < deadline, "the worker did not come back"
            time.sleep(0.2)
