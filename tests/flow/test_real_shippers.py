"""Real rsyslog and real syslog-ng ship to a real door by ``_bulk``, and to a real relay by RELP and TLS syslog.

Door and relay are killed meanwhile, wherever the way has answers: by TLS syslog, which has none, only the door.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from soc.model.register import Owner
from soc.receive.shipping.tokens import create_shipper
from soc.receive.streams import missing
from tests.conftest import missing as missing_component
from tests.flow.real_processes import PROVINCE, Site, free_port, wait_for

pytestmark = pytest.mark.slow
LINES = int(os.environ.get("SOC_SHIPPER_LINES", "20000"))
KILLS = 3
RSYSLOG = """\
global(workDirectory="{work}" maxMessageSize="64k")
module(load="imptcp")
module(load="omelasticsearch")
template(name="document" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="fromhost-ip" name="fromhost-ip" format="jsonf")
  property(outname="message" name="rawmsg" format="jsonf")
}}
template(name="name" type="string" string="%$.name%")
input(type="imptcp" port="{listen}" address="127.0.0.1" ruleset="ship")
ruleset(name="ship" queue.type="LinkedList" queue.size="500000" queue.dequeueBatchSize="1000") {{
  set $.name = $uuid;
  action(type="omelasticsearch" server="localhost" serverport="{port}" usehttps="on" tls.cacert="{ca}"
         uid="shipper" pwd="{token}" searchIndex="logs" template="document" bulkmode="on"
         dynBulkId="on" bulkid="name" writeoperation="create" skipverifyhost="off"
         action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="2")
}}
"""
BY_RELP = """\
global(workDirectory="{work}" maxMessageSize="64k")
module(load="imptcp")
module(load="omrelp")
template(name="raw" type="string" string="%rawmsg%")
input(type="imptcp" port="{listen}" address="127.0.0.1" ruleset="ship")
ruleset(name="ship" queue.type="LinkedList" queue.size="500000" queue.dequeueBatchSize="1000") {{
  action(type="omrelp" target="127.0.0.1" port="{port}" template="raw"
         action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="2")
}}
"""
BY_TLS = """\
@version: 3.38
options {{ stats-freq(0); time-reopen(1); }};
source s_lines {{
  network(ip("127.0.0.1") port({listen}) transport("tcp") flags(no-parse) log-iw-size(500000) max-connections(4));
}};
destination d_relay {{
  network("127.0.0.1" port({port}) transport("tls") template("$MSG\n") log-fifo-size(500000)
          tls(ca-file("{ca}") peer-verify(required-untrusted)));
}};
log {{ source(s_lines); destination(d_relay); flags(flow-control); }};
"""
SYSLOG_NG = """\
@version: 3.38
@include "SCL/elasticsearch/elastic-http.conf"
options {{ keep-hostname(yes); use-uniqid(yes); stats-freq(0); flush-lines(1000); }};
source s_lines {{
  network(ip("127.0.0.1") port({listen}) transport("tcp") flags(no-parse) log-iw-size(500000) max-connections(4));
}};
destination d_door {{
  elasticsearch-http(
    url("https://localhost:{port}/_bulk") index("logs") type("") custom-id("${{UNIQID}}")
    user("shipper") password("{token}") tls(ca-file("{ca}") peer-verify(yes))
    batch-lines(1000) batch-bytes(2000000) batch-timeout(500) workers(2) timeout(60) time-reopen(1) retries(1000000)
    template("$(format-json message=$MSG @timestamp=$ISODATE)")
    log-fifo-size(500000)
  );
}};
log {{ source(s_lines); destination(d_door); flags(flow-control); }};
"""


def line(number: int) -> str:
    """Quotes, backslashes and Vietnamese in it, and its number."""
    return f'<13>Nov 27 10:00:00 srv-{number % 40:02} app[7]: dòng số {number} "C:\\\\x" đã ghi'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site.prepare(tmp_path / "site")
    made.start_door()
    try:
        made.wait_for_door()
        yield made
    finally:
        made.stop()


def a_token(site: Site) -> str:
    database = site.database()
    _, token = create_shipper(
        database, PROVINCE, datetime.now(UTC), "log-host", source="syslog", owner=Owner("agency-1")
    )
    database.close()
    return token


def rsyslog(folder: Path, module: str, text: str) -> list[str]:
    program = shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or not list(Path("/usr/lib").glob(f"*/rsyslog/{module}.so")):
        missing_component(f"rsyslog with {module}")
    config = folder / "shipper.conf"
    config.write_text(text)
    return [str(program), "-n", "-f", str(config), "-i", f"{folder}/pid"]


def syslog_ng(folder: Path, text: str) -> list[str]:
    """Installed, or unpacked in the folder that ``SOC_SYSLOG_NG`` names: its package shuts out rsyslog's."""
    root = os.environ.get("SOC_SYSLOG_NG", "")
    program = Path(f"{root}/usr/sbin/syslog-ng")
    modules = next(Path(f"{root}/usr/lib/syslog-ng").glob("*/"), None)
    if not program.is_file() or modules is None or not (modules / "libhttp.so").is_file():
        missing_component("syslog-ng with its http module (installed, or unpacked: SOC_SYSLOG_NG)")
    config = folder / "shipper.conf"
    config.write_text(text.replace("SCL", f"{root}/usr/share/syslog-ng/include/scl"))
    options = {
        "-f": config,
        "-R": folder / "persist",
        "-p": folder / "pid",
        "-c": folder / "control",
        "--module-path": modules,
    }
    words = [str(word) for option in options.items() for word in option]
    libraries = f"LD_LIBRARY_PATH={modules.parent}"
    return ["env", libraries, str(program), "-F", "--no-caps", *words]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shipper"
    made.mkdir()
    return made


@pytest.fixture
def listen() -> int:
    return free_port()


def send_all(
    site: Site, command: list[str], folder: Path, listen: int, kill: Callable[[], None]
) -> None:
    """Let a shipper ship all lines; after each of ``KILLS`` parts, when records have come, ``kill`` something."""
    with (folder / "log").open("wb") as log:
        shipper = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for("the shipper", lambda: listens(listen) or shipper.poll() is not None, 30)
        assert shipper.poll() is None, (folder / "log").read_text()[-2000:]
        part = LINES // (KILLS + 1)
        with socket.create_connection(("127.0.0.1", listen)) as connection:
            for start in range(0, LINES, part):
                before = records(site)
                text = "".join(f"{line(n)}\n" for n in range(start, min(start + part, LINES)))
                connection.sendall(text.encode())
                if start + part < LINES:
                    wait_for("the next records", lambda: records(site) > before, 60)  # noqa: B023
                    kill()
        wait_for("all lines", lambda: records(site) >= LINES, 300)
        time.sleep(2)  # what comes twice would come now
    finally:
        shipper.send_signal(signal.SIGTERM)
        shipper.wait(30)
        site.stop()


def kill_door(site: Site) -> None:
    site.kill_door()
    site.start_door()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shipper", ["rsyslog", "syslog-ng"])
def test_what_comes_by_bulk_is_stored_once(
    site: Site, folder: Path, listen: int, shipper: str
) -> None:
    """Every line once, though the door is killed while requests are on their way."""
    text = (RSYSLOG if shipper == "rsyslog" else SYSLOG_NG).format(
        work=folder, listen=listen, port=site.port, ca=site.ca, token=a_token(site)
    )
    command = (
        rsyslog(folder, "omelasticsearch", text)
        if shipper == "rsyslog"
        else syslog_ng(folder, text)
    )
    send_all(site, command, folder, listen, lambda: kill_door(site))
    assert_stored_once(site, lambda raw: str(orjson.loads(raw)["message"]))


@pytest.mark.timeout(600)
def test_what_comes_by_relp_is_stored_once(site: Site, folder: Path, listen: int) -> None:
    """Door and relay are killed in turn: what rsyslog repeats to the relay is kept once."""
    port = free_port()
    relay = site.enrol("relay", [{"kind": "syslog", "relp": f"127.0.0.1:{port}"}])
    site.start_agent(relay)
    text = BY_RELP.format(work=folder, listen=listen, port=port)
    turns = itertools.cycle([False, True])

    def kill() -> None:
        if next(turns):
            kill_door(site)
        else:
            site.kill_agent(relay)
            site.start_agent(relay)

    send_all(site, rsyslog(folder, "omrelp", text), folder, listen, kill)
    assert_stored_once(site, bytes.decode)


@pytest.mark.timeout(600)
def test_what_comes_by_tls_is_stored_once(site: Site, folder: Path, listen: int) -> None:
    """The door behind the relay is killed; the relay is not, since TLS syslog has no answers."""
    port = free_port()
    door = {"kind": "syslog", "tls": f"127.0.0.1:{port}"}
    files = {"certificate": f"{site.home}/keys/door.pem", "key": f"{site.home}/keys/door.key"}
    site.start_agent(site.enrol("relay", [door | files]))
    text = BY_TLS.format(listen=listen, port=port, ca=site.ca)
    send_all(site, syslog_ng(folder, text), folder, listen, lambda: kill_door(site))
    assert_stored_once(site, bytes.decode)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def records(site: Site) -> int:
    connection = site.reading()
    query = "SELECT sum(records) FROM streams WHERE name = 'bulk' OR name LIKE 'syslog:%'"
    found = connection.execute(query).fetchone()[0]
    connection.close()
    return int(found or 0)


def assert_stored_once(site: Site, line_of: Callable[[bytes], str]) -> None:
    """The lines in what was kept are those that were sent, and nothing is said to be missing."""
    from soc.store.embedded import EmbeddedStore

    store = EmbeddedStore(site.home / "events", months={}, writable=False)
    events = [
        one for one in store.scan(PROVINCE, "*") if one.fields["event.dataset"] == "linux.syslog"
    ]
    store.close()
    stored = Counter(line_of(event.raw) for event in events)
    assert stored == Counter({line(number): 1 for number in range(LINES)})
    database = site.database()
    holes = [str(hole) for hole in missing(database, PROVINCE)]
    database.close()
    assert holes == []
