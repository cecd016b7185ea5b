"""Disable a local account: its password is locked and the account made to end on 2 January 1970, by one usermod(8).

One call, because a locked password alone leaves keys and tokens good, and because one rewrite of /etc/shadow is all
or nothing. Sessions that are open stay open and are named. What there was before is kept (shadow(5): field 2
begins with ``!`` when locked, field 8 is the day of the end) and put back by the undo.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from collectors.agent.actions.contract import (
    DONE,
    UNCHANGED,
    ActionRefused,
    Outcome,
    Work,
    needs_root,
    only,
    text_of,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
USERMOD_SECONDS = 20.0
ENDED_DAY = "1"


@dataclass(slots=True)
class DisableAccount:
    """Parameters: ``account``. ``prefix``: another root folder, as usermod's ``--prefix``."""

    prefix: str = ""
    name: str = "disable_account"
    timeout_seconds: float = 30.0
    is_measure: bool = True

    def dry_run(self, work: Work) -> Outcome:
        account, before = self._asked(work)
        return Outcome(DONE, found={"account": account, **before, "sessions": sessions_of(account)})

    def run(self, work: Work) -> Outcome:
        account, before = self._asked(work)
        work.note("before", {"account": account, **before})
        lock = [] if before["is_locked"] else ["--lock"]
        work.step("before usermod")
        self._usermod(*lock, "--expiredate", ENDED_DAY, account)
        work.step("after usermod")
        return Outcome(DONE, found={"account": account, **before, "sessions": sessions_of(account)})

    def undo(self, work: Work) -> Outcome:
        needs_root("enable an account")
        before = work.noted("before")
        if before is None:
            raise ActionRefused("this account was not disabled here")
        account = str(before["account"])
        now = self._shadow(account)
        if now is None:
            raise ActionRefused(f"there is no account {account} any more")
        unlock = ["--unlock"] if now["is_locked"] and not before["is_locked"] else []
        work.step("before usermod")
        self._usermod(*unlock, "--expiredate", str(before["end_day"]), account)
        work.step("after usermod")
        return Outcome(DONE, found={"account": account, **(self._shadow(account) or {})})

    def after_kill(self, work: Work, verb: str) -> Outcome:
        before = work.noted("before")
        if before is None:
            return Outcome(UNCHANGED, "the agent was killed before it touched the account")
        holds = self.is_in_force(work)
        is_done = holds if verb == "run" else not holds
        facts = {"account": before["account"], "is_disabled": holds}
        return Outcome(DONE if is_done else UNCHANGED, "the agent was killed meanwhile", facts)

    def is_in_force(self, work: Work) -> bool:
        before = work.noted("before")
        now = self._shadow(str(before["account"])) if before else None
        return bool(now and now["is_locked"] and now["end_day"] == ENDED_DAY)

    def _asked(self, work: Work) -> tuple[str, dict[str, Any]]:
        only(work, "account")
        account = text_of(work, "account", longest=33)
        needs_root("disable an account")
        if not NAME.fullmatch(account):
            raise ActionRefused(f"{account!r} cannot be the name of a local account")
        before, uid = self._shadow(account), self._uid(account)
        if before is None or uid is None:
            raise ActionRefused(f"{account} is no local account of this machine")
        if uid in (0, os.getuid()):
            raise ActionRefused(f"{account} is root or the agent's own account")
        return account, before

    def _uid(self, account: str) -> int | None:
        for line in Path(f"{self.prefix}/etc/passwd").read_text(errors="replace").splitlines():
            fields = line.split(":")
            if fields[0] == account and len(fields) > 2 and fields[2].isdigit():
                return int(fields[2])
        return None

    def _shadow(self, account: str) -> dict[str, Any] | None:
        for line in Path(f"{self.prefix}/etc/shadow").read_text(errors="replace").splitlines():
            fields = line.split(":")
            if fields[0] == account and len(fields) > 7:
                return {"is_locked": fields[1].startswith(("!", "*")), "end_day": fields[7]}
        return None

    def _usermod(self, *arguments: str) -> None:
        program = shutil.which("usermod", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if program is None:
            raise ActionRefused("there is no usermod program on this machine")
        where = ["--prefix", self.prefix] if self.prefix else []
        done = subprocess.run(
            [program, *where, *arguments], capture_output=True, timeout=USERMOD_SECONDS
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[:300]
            raise ActionRefused(f"usermod: {said or f'ended with {done.returncode}'}")


def sessions_of(account: str) -> list[dict[str, Any]]:
    """Sessions and the number of processes that go on although the account is disabled."""
    found = [
        {"terminal": one.terminal, "from": one.host, "started": one.started, "pid": one.pid}
        for one in psutil.users()
        if one.name == account
    ]
    running = sum(one.info["username"] == account for one in psutil.process_iter(["username"]))
    return [*found, {"processes": running}] if running else found
