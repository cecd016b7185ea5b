"""The inputs that the platform wants of this agent: asked for once a minute, kept in the home."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.agent.config import Config, inputs_of
from collectors.agent.errors import ConfigError, LinkError
from collectors.agent.identity import Identity
from collectors.agent.link import Link
from collectors.agent.notices import Notices

EVERY_LOOKS = 30  # of two seconds


class Wanted:
    """``inputs.json`` of the home. An empty list leaves the choice to ``agent.yaml``."""

    def __init__(self, home: Path, identity: Identity, link: Link, notices: Notices) -> None:
        self.path, self.identity, self.link, self.notices = (
            home / "inputs.json",
            identity,
            link,
            notices,
        )
        self._tag, self._looks = "", 0

    def apply_to(self, config: Config) -> Config:
        """The config with the wanted inputs; as it is if they cannot be used, which is reported."""
        inputs = self._kept()
        if not inputs:
            return config
        changed = replace(config, inputs=inputs)
        try:
            inputs_of(changed)
        except ConfigError as error:
            reason = f"the platform's inputs cannot be used: {error}"
            self.notices.tell("input_error", reason, input="configuration", reason=reason)
            return config
        return changed

    def has_changed(self, offset_seconds: float) -> bool:
        """Ask, now and then; whether there is something new. ``offset_seconds`` corrects the clock."""
        self._looks += 1
        if self._looks % EVERY_LOOKS != 1:
            return False
        now = datetime.now(UTC).timestamp() + offset_seconds
        headers = self.identity.sign("GET", "/v1/config", b"", created=int(now))
        if self._tag:
            headers["If-None-Match"] = self._tag
        try:
            answer = self.link.request("GET", "/v1/config", b"", headers)
        except LinkError:
            return False  # the shipper shows an unreachable platform
        inputs = answer.facts().get("inputs")
        if answer.status != 200 or not isinstance(inputs, list):
            return False
        self._tag = answer.headers.get("etag", "")
        if inputs == self._kept():
            return False
        self.path.write_text(json.dumps(inputs, ensure_ascii=False))
        version = answer.facts().get("version")
        message = f"inputs of version {version} come from the platform"
        self.notices.tell("configuration", message, config_version=version)
        return True

    def _kept(self) -> list[Any]:
        try:
            kept = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return []
        return kept if isinstance(kept, list) else []
