"""An enrolled agent's home beside a small platform."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collectors.agent.enrol import enrol
from tests.agent.small_platform import TOKEN, SmallPlatform

ROOT = Path(__file__).parents[2]
started: list[subprocess.Popen[bytes]] = []


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[SmallPlatform]:
    folder = tmp_path / "platform"
    folder.mkdir()
    made = SmallPlatform(folder)
    made.start()
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path, platform: SmallPlatform) -> Path:
    """An agent's folder, enrolled at ``platform``, with no inputs."""
    folder = tmp_path / "home"
    enrol(folder, platform=platform.url, ca=platform.ca, token=TOKEN, name="tester")
    (folder / "agent.yaml").write_text("inputs: []\n")
    return folder


def agent_process(home: Path, *arguments: str, verb: str = "run") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "collectors.agent.main", verb, "--home", str(home), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    started.append(process)
    return process


@pytest.fixture(autouse=True)
def leave_no_agents_behind() -> Iterator[None]:
    """A test that fails half way leaves its agents; they end with it."""
    yield
    while started:
        process = started.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def ended(process: subprocess.Popen[bytes], *, seconds: float = 20) -> str:
    """Stop an agent cleanly; what it said."""
    process.terminate()
    output, _ = process.communicate(timeout=seconds)
    return output.decode()


def wait_until(holds: Callable[[], object], *, seconds: float = 15) -> None:
    """Wait for something; fail when it does not come."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come in time"
        time.sleep(0.02)
