"""The sensor on a real interface, the loopback: what is said there, and what the kernel had to drop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest

from collectors.agent.inputs.sensor import PacketSensor
from collectors.agent.spool import Spool
from collectors.sensor.errors import CaptureError
from collectors.sensor.live import Interface
from tests.agent.conftest import wait_until
from tests.agent.inputs_at_work import at_work, payloads
from tests.conftest import missing
from tests.sensor.test_command import ROOT, sensor

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _as_root() -> None:
    if os.geteuid() != 0:
        missing("root, for packet sockets")


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hi")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a web server."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made.server_port
    made.shutdown()
    made.server_close()


def test_what_is_said_on_an_interface_is_told(server: int) -> None:
    """Once each; a request within two seconds, the flow when the sensor is stopped, the counts at the end."""
    command = [sys.executable, "-m", "collectors.sensor.main", "--interface", "lo"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())  # it has begun
        urlopen(f"http://127.0.0.1:{server}/watched?x=1").read()
        began, request = time.monotonic(), None
        while request is None:
            one = json.loads(process.stdout.readline())
            if one["record"] == "http" and one.get("url.path") == "/watched":
                request = one
        assert time.monotonic() - began < 5
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in process.stdout]
    assert (first["record"], process.returncode) == ("sensor", 0)
    assert (request["destination.port"], request["http.response.status_code"]) == (server, 200)
    flows = [
        one for one in rest if one["record"] == "flow" and one.get("destination.port") == server
    ]
    (flow,) = flows
    assert flow["sensor.flow.state"] == "closed"
    assert flow["source.packets"] < 8  # not each packet twice
    assert rest[-1]["sensor.kernel.packets"] >= flow["network.packets"]
    assert rest[-1]["sensor.kernel.dropped"] == 0


def test_what_the_kernel_dropped_is_counted_to_the_packet() -> None:
    """What was read and what was dropped are together all that came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        interface = Interface("lo", buffer_bytes=64 * 1024)
        sent = 5_000
        for _ in range(sent):
            sender.sendto(b"x" * 200, ("127.0.0.1", 9))
        counted = interface.count()
        taken = 0
        while interface.packet() is not None:
            taken += 1
        later = interface.count()
        interface.close()
    assert counted.dropped > 0
    assert counted.packets >= 2 * sent  # the loopback's second look is counted by the kernel too
    assert 0 < counted.drop_rate < 1
    assert taken <= counted.packets + later.packets - counted.dropped - later.dropped
    assert interface.total.packets == counted.packets + later.packets


def test_an_interface_that_is_not_there_is_named() -> None:
    done = sensor("--interface", "eth99")
    assert done.returncode == 2
    assert "interface eth99" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(CaptureError, match="eth99"):
        Interface("eth99")


def test_files_and_an_interface_at_once_are_refused(tmp_path: Path) -> None:
    assert sensor("--interface", "lo", tmp_path).returncode == 2
    assert sensor().returncode == 2


def test_the_agent_brings_the_sensor_s_lines(tmp_path: Path, server: int) -> None:
    """And what it still holds when the agent stops; no sensor is left behind."""

    def lines(spool: Spool) -> list[dict[str, object]]:
        return [json.loads(one) for one in payloads(spool, "sensor:lo")]

    with at_work(tmp_path, PacketSensor("lo")) as (spool, _):
        wait_until(lambda: lines(spool))
        urlopen(f"http://127.0.0.1:{server}/by-the-agent").read()
        wait_until(lambda: any(one.get("url.path") == "/by-the-agent" for one in lines(spool)))
    spool = Spool(tmp_path)
    assert any(
        one["record"] == "flow" and one.get("destination.port") == server for one in lines(spool)
    )
    spool.close()


def test_a_sensor_that_cannot_begin_is_a_blind_spot(tmp_path: Path) -> None:
    with at_work(tmp_path, PacketSensor("eth99")) as (_, notices):
        wait_until(lambda: "eth99" in notices.blind_spots.get("sensor:eth99", ""))
