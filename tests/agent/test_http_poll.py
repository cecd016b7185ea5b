"""A REST interface that pages, repeats, fails, cuts its answers and asks to wait: each item once."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from collectors.agent.config import config_from
from collectors.agent.errors import ConfigError
from collectors.agent.inputs.http_poll import HttpPoll, Poll, PollError
from collectors.agent.inputs.seen_rows import SeenRows
from collectors.agent.intake import Intake
from collectors.agent.notices import Notices
from collectors.agent.spool import Spool
from soc.receive.certificates import door_certificate
from tests.agent.inputs_at_work import payloads

TOKEN = "bi-mat-1"
PAGE = 3
Trouble = Callable[[BaseHTTPRequestHandler], bool]


class Server:
    """Alerts by ``since``, in pages; ``troubles`` are done to the next requests, one each."""

    def __init__(self, folder: Path) -> None:
        made = door_certificate(folder, ["127.0.0.1"], datetime.now(UTC))
        self.ca = folder / "ca.pem"
        self.alerts: list[dict[str, str]] = []
        self.troubles: list[Trouble] = []
        self.asked: list[str] = []
        self.token = TOKEN
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.certificate, made.key)
        self.http.socket = context.wrap_socket(
            self.http.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.http.server_port}/api/alerts?top={PAGE}"

    def add(self, *numbers: int) -> None:
        self.alerts += [
            {"id": str(n), "machine": f"PC-{n}", "threat": f"Virus.{n}", "updatedAt": f"2026-11-20T02:{n:02}:00Z"}
            for n in numbers
        ]  # fmt: skip

    def page(self, query: dict[str, list[str]]) -> dict[str, object]:
        since, skip = query.get("since", [""])[0], int(query.get("skip", ["0"])[0])
        found = [
            one for one in self.alerts if one["updatedAt"] >= since
        ]  # the last one comes again
        answer: dict[str, object] = {"value": found[skip : skip + PAGE]}
        if skip + PAGE < len(found):
            answer["@odata.nextLink"] = f"/api/alerts?top={PAGE}&skip={skip + PAGE}&since={since}"
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                if self.headers["Authorization"] != f"Bearer {server.token}":
                    self.send_error(401)
                    return
                if server.troubles and server.troubles.pop(0)(self):
                    return
                send(self, json.dumps(server.page(parse_qs(urlsplit(self.path).query))).encode())

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def send(handler: BaseHTTPRequestHandler, body: bytes, *, promised: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if promised is None else promised))
    handler.end_headers()
    handler.wfile.write(body)


def fails(handler: BaseHTTPRequestHandler) -> bool:
    handler.send_error(500)
    return True


def asks_to_wait(handler: BaseHTTPRequestHandler) -> bool:
    handler.send_response(429)
    handler.send_header("Retry-After", "7")
    handler.send_header("Content-Length", "0")
    handler.end_headers()
    return True


def cuts(handler: BaseHTTPRequestHandler) -> bool:
    send(handler, b'{"value": [{"id": "1"', promised=500)
    handler.close_connection = True
    return True


def says_half(handler: BaseHTTPRequestHandler) -> bool:
    send(handler, b'{"value": [{"id": "1"')
    return True


def leads_away(handler: BaseHTTPRequestHandler) -> bool:
    send(handler, b'{"value": [], "@odata.nextLink": "https://192.0.2.1/steal"}')
    return True


def is_gone(handler: BaseHTTPRequestHandler) -> bool:
    handler.send_error(410)
    return True


def does_nothing(handler: BaseHTTPRequestHandler) -> bool:
    return False


class Polling:
    """A poll that asks when it is told to, and what it brought."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.token_file = folder / "token"
        self.token_file.write_text(f"{TOKEN}\n")
        self.spool = Spool(folder / "spool")
        self.restart()

    def restart(self) -> None:
        notices = Notices("host", is_quiet=True)
        self.intake = Intake(self.spool, notices, wake=threading.Event(), stop=threading.Event())
        self.input = HttpPoll(
            Poll(
                self.server.url, self.token_file, self.server.ca, mapping="generic", next="@odata.nextLink",
                since_parameter="since", since_field="updatedAt",
            )
        )  # fmt: skip

    def round(self) -> int:
        seen = SeenRows(self.intake, self.input.name)
        try:
            return self.input.round(self.intake, seen, threading.Event())
        finally:
            seen.close()

    @property
    def ids(self) -> list[str]:
        stream = f"edr/generic/{self.input.place}"
        return [json.loads(one)["id"] for one in payloads(self.spool, stream)]


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    keys = tmp_path / "keys"
    keys.mkdir()
    made = Server(keys)
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def polling(tmp_path, server) -> Polling:
    return Polling(tmp_path, server)


def test_every_page_is_brought_once_and_the_next_round_asks_from_the_newest(server, polling):
    server.add(*range(1, 8))
    assert polling.round() == 7
    assert polling.round() == 0
    server.add(8)
    polling.restart()
    assert polling.round() == 1
    assert polling.ids == [str(n) for n in range(1, 9)]
    assert "since=2026-11-20T02%3A07%3A00Z" in server.asked[-1]


@pytest.mark.parametrize("trouble", [fails, cuts, says_half, asks_to_wait])
def test_a_page_that_cannot_be_had_is_asked_for_again_and_nothing_comes_twice(
    server, polling, trouble
):
    server.add(*range(1, 8))
    server.troubles = [does_nothing, trouble]
    with pytest.raises((PollError, HTTPException)) as told:
        polling.round()
    assert getattr(told.value, "after", 0.0) == (7.0 if trouble is asks_to_wait else 0.0)
    assert polling.ids == ["1", "2", "3"]
    polling.restart()
    assert polling.round() == 4
    assert polling.ids == [str(n) for n in range(1, 8)]
    assert "skip=3" in server.asked[-2]


def test_a_link_that_the_server_no_longer_knows_is_let_go(server, polling):
    server.add(*range(1, 8))
    server.troubles = [does_nothing, is_gone]
    with pytest.raises(PollError):
        polling.round()
    assert polling.round() == 4
    assert sorted(polling.ids) == [str(n) for n in range(1, 8)]


def test_the_token_is_not_sent_to_another_server(server, polling):
    server.troubles = [leads_away]
    with pytest.raises(PollError, match="another server"):
        polling.round()


def test_a_renewed_token_is_used_without_a_restart(server, polling):
    server.add(1)
    server.token = "bi-mat-2"
    with pytest.raises(PollError, match="token"):
        polling.round()
    polling.token_file.write_text("bi-mat-2")
    assert polling.round() == 1


def test_a_server_with_a_certificate_of_somebody_else_is_not_asked(server, polling, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    door_certificate(other, ["127.0.0.1"], datetime.now(UTC))
    polling.input = HttpPoll(Poll(server.url, polling.token_file, other / "ca.pem"))
    with pytest.raises(ssl.SSLCertVerificationError):
        polling.round()
    assert server.asked == []


def test_the_running_input_waits_and_goes_on(server, polling):
    server.add(1, 2)
    server.troubles = [fails, fails]
    polling.input = HttpPoll(polling.input.poll, first_pause=0.05)
    stop = threading.Event()
    thread = threading.Thread(target=polling.input.run, args=(polling.intake, stop))
    thread.start()
    for _ in range(200):
        if len(polling.ids) == 2:
            break
        stop.wait(0.05)
    stop.set()
    thread.join(10)
    assert polling.ids == ["1", "2"]
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "http_poll", "url": "http://a"}, "https://"),
        ({"kind": "http_poll", "url": "https://a", "token_file": "/nowhere"}, "no file"),
        ({"kind": "http_poll", "url": "https://a", "since_field": "x"}, "go together"),
        ({"kind": "drop_folder", "paths": "x"}, "list of paths"),
        ({"kind": "drop_folder", "paths": ["x"], "mapping": "a/b"}, "mapping"),
    ],
)
def test_a_wrong_feed_is_named_before_the_agent_starts(tmp_path, entry, said):
    with pytest.raises(ConfigError, match=said):
        config_from({"inputs": [entry]}, tmp_path)
