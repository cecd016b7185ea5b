"""A real door over TLS with agents beside it, and the desk that commands them."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn

from collectors.agent.commands import Commands
from collectors.agent.enrol import enrol
from soc.model.register import Owner
from soc.model.response import ResponseAction
from soc.model.scope import Scope
from soc.receive.certificates import door_certificate
from soc.receive.command_key import command_certificate, command_signer
from soc.receive.commands import CommandPost
from soc.receive.configuration import Configuration
from soc.receive.door import DoorParts, create_door
from soc.receive.enrolment import Identities, create_token
from soc.receive.ingest import Ingest
from soc.receive.shipping.tokens import Shippers
from soc.receive.signatures import Verifier
from soc.records.database import Database
from soc.respond.response_desk import ResponseDesk
from tests.receive.builders import LogStore, a_flow, use_plain_reader
from tests.response.agent_alone import commands_in


def now_utc() -> datetime:
    return datetime.now(UTC)


AN, BINH = Scope.province("an"), Scope.province("binh")
TWO = [
    ResponseAction.ISOLATE_HOST,
    ResponseAction.STOP_PROCESS,
    ResponseAction.QUARANTINE_FILE,
    ResponseAction.DISABLE_ACCOUNT,
]


def door_server(
    home: Path, database: Database, names: Sequence[str], address: str, port: int
) -> uvicorn.Server:
    """A door with the site's own keys, to be run."""
    keys = home / "keys"
    made = door_certificate(keys, names, datetime.now(UTC))
    parts = DoorParts(
        database=database,
        ingest=Ingest(a_flow(database, LogStore(home / "events.jsonl"))),
        verifier=Verifier(Identities(database, fresh_seconds=0).find),
        configuration=Configuration(home / "agents.yaml"),
        shippers=Shippers(database, fresh_seconds=0),
        max_batch_bytes=2**22,
        max_batch_plain_bytes=2**23,
        replay=lambda ids: {"stored": ids, "stay": {}},
        admin_secret="secret",
        commands=CommandPost(
            database, home / "evidence", lambda: command_certificate(keys, datetime.now(UTC))
        ),
    )
    return uvicorn.Server(
        uvicorn.Config(
            create_door(parts),
            host=address,
            port=port,
            ssl_certfile=str(made.certificate),
            ssl_keyfile=str(made.key),
            log_level="error",
            lifespan="on",
        )
    )


@dataclass
class Lab:
    """``home`` is the site's; the door listens on loopback."""

    home: Path
    database: Database
    port: int = 0
    desk: ResponseDesk = field(init=False)

    def __post_init__(self) -> None:
        self.keys = self.home / "keys"
        self.desk = ResponseDesk(self.database, sign=command_signer(self.keys), two_people=TWO)

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server = door_server(self.home, self.database, [], "127.0.0.1", self.port)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        wait_until(lambda: self.server.started)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()

    def agent(self, home: Path, **more: Any) -> Commands:
        """An enrolled agent's commands; ``turn`` is called by the test."""
        token = create_token(
            self.database, AN, datetime.now(UTC), owner=Owner(more.pop("agency", "a-sxd"))
        )
        url = f"https://127.0.0.1:{self.port}"
        enrol(home, platform=url, ca=self.keys / "ca.pem", token=token.secret, name=home.name)
        return commands_in(home, **more)

    def ask(self, agent: Commands, action: ResponseAction, parameters: dict[str, Any], **more: Any):
        """Asked by one, approved by another where it must be; the command's id."""
        now = datetime.now(UTC)
        asked = self.desk.ask(
            AN, [agent.identity.agent_id], action, parameters, reason="kiểm tra", now=now, **more
        )
        [command_id] = asked.command_ids
        if self.desk.state_of(AN, command_id, now) == "waiting":
            self.desk.approve(BINH, command_id, datetime.now(UTC))
        return command_id

    def outcome(self, agent: Commands, command_id: str) -> dict[str, Any]:
        """Turn the agent until the platform has its answer; the answer."""
        until = time.monotonic() + 20
        while not (found := self.desk.results(AN, command_id)):
            assert time.monotonic() < until, "no answer came"
            agent.turn()
            time.sleep(0.02)
        return json.loads(found[-1].raw)

    def state(self, command_id: str) -> str:
        return str(self.desk.state_of(AN, command_id, datetime.now(UTC)))


def wait_until(holds: Callable[[], object], *, seconds: float = 20) -> None:
    """Wait for something; fail when it does not come."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come in time"
        time.sleep(0.02)


def main() -> None:
    """Run a door as a process, on every address, IPv4 and IPv6: HOME PORT NAME..."""
    use_plain_reader()
    home, port, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    database = Database(f"sqlite:///{home / 'soc.sqlite'}")
    listening = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    door_server(home, database, names, "::", port).run([listening])


if __name__ == "__main__":
    main()
