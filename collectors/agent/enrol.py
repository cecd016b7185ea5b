"""Enrolment: a one-time token turns a key made here into an agent that the platform knows."""

from __future__ import annotations

import base64
import contextlib
import json
import platform as machine
import shutil
from pathlib import Path

from collectors.agent import command_key, identity
from collectors.agent.errors import AgentError, ConfigError
from collectors.agent.link import Link
from collectors.agent.notices import VERSION
from collectors.agent.spool import Spool


class EnrolmentRefused(AgentError):
    """The platform did not take the token."""


def enrol(home: Path, *, platform: str, ca: Path, token: str, name: str) -> str:
    """Make the key, ask the platform, and keep what it gave; the agent id.

    Raises:
        EnrolmentRefused: with the platform's reason.
        ConfigError, LinkError, SpoolInUse: with what to do.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    link = Link(platform, ca)
    key = identity.make_key(home)
    spool = Spool(home / "spool")
    spool.close()
    asked = {
        "token": token,
        "name": name,
        "public_key": base64.b64encode(identity.public_bytes(key)).decode(),
        "operating_system": operating_system(),
        "version": VERSION,
        "incarnation": spool.incarnation,
    }
    body = json.dumps(asked, ensure_ascii=False).encode()
    answer = link.request("POST", "/v1/enrol", body, {"Content-Type": "application/json"})
    link.close()
    agent_id = answer.facts().get("agent_id")
    if answer.status != 201 or not isinstance(agent_id, str):
        raise EnrolmentRefused(f"the platform answered {answer.status}: {answer.reason}")
    kept = home / "ca.pem"
    if ca.absolute() != kept.absolute():
        shutil.copyfile(ca, kept)
    identity.save_identity(home, agent_id=agent_id, name=name, platform=platform)
    offered = answer.facts().get("command_certificate")
    if isinstance(offered, str) and offered:
        with contextlib.suppress(ConfigError):  # the agent tells it when it runs, and obeys nothing
            command_key.pin(home, offered, kept)
    return agent_id


def operating_system() -> str:
    """E.g. "Debian GNU/Linux 12 (bookworm)", or what Python knows of another system."""
    try:
        return machine.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{machine.system()} {machine.release()}"
