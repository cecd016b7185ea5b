"""Runs ``soc scan`` for the tests: as a command of its own, or, quicker, in this process."""

from __future__ import annotations

import gc
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import typer
import typer.testing

from soc.cli.scan import command


@dataclass(frozen=True, slots=True)
class Done:
    """A finished scan."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def matches(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.stdout.splitlines()]


def run_scan(*arguments: str | Path, cache: Path) -> Done:
    """``soc scan`` in this process."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    runner = typer.testing.CliRunner()
    try:
        done = runner.invoke(app, ["--cache", str(cache), *map(str, arguments)])
    finally:
        gc.unfreeze()
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout_bytes, done.stderr_bytes)


def scan(*arguments: str | Path, cache: Path) -> list[dict[str, Any]]:
    """The matches of a scan that must succeed."""
    done = run_scan(*arguments, cache=cache)
    assert done.returncode == 0, done.stderr.decode()
    return done.matches


def scan_command(*arguments: str | Path, cache: Path) -> list[dict[str, Any]]:
    """The matches of ``python -m soc.cli.main scan``, a process of its own."""
    line = [sys.executable, "-m", "soc.cli.main", "scan", "--cache", str(cache)]
    done = subprocess.run([*line, *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [orjson.loads(line) for line in done.stdout.splitlines()]
