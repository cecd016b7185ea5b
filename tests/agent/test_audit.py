"""Process starts by audit: grouping, and the real kernel."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.agent import wire
from collectors.agent.inputs import netlink
from collectors.agent.inputs.audit import END_OF_EVENT, Audit, Gathering
from collectors.agent.inputs.proc_connector import facts_of
from collectors.agent.intake import Intake
from collectors.agent.notices import Notices
from collectors.agent.spool import Spool
from tests.agent.conftest import wait_until

pytestmark = pytest.mark.filterwarnings("error")
IS_ROOT = os.geteuid() == 0


def test_the_lines_of_one_serial_become_one_record():
    gathering = Gathering()
    assert gathering.take(1300, b"audit(1.0:7): arch=c000003e", 0) is None
    assert gathering.take(1309, b'audit(1.0:7): argc=1 a0="ls"\0', 0) is None
    record = gathering.take(END_OF_EVENT, b"audit(1.0:7): ", 0)
    assert record == (
        b"type=SYSCALL msg=audit(1.0:7): arch=c000003e\n"
        b'type=EXECVE msg=audit(1.0:7): argc=1 a0="ls"'
    )


def test_serials_that_interleave_stay_apart():
    gathering = Gathering()
    for serial in (b"1", b"2"):
        gathering.take(1300, b"audit(1.0:%s): a" % serial, 0)
    gathering.take(1309, b"audit(1.0:1): b", 0)
    second = gathering.take(END_OF_EVENT, b"audit(1.0:2): ", 0)
    assert second == b"type=SYSCALL msg=audit(1.0:2): a"


def test_a_log_in_is_a_record_by_itself():
    record = Gathering().take(1112, b"audit(1.0:8): pid=1 res=failed", 0)
    assert record == b"type=USER_LOGIN msg=audit(1.0:8): pid=1 res=failed"


def test_a_serial_without_its_end_is_given_out_after_a_second():
    gathering = Gathering()
    gathering.take(1300, b"audit(1.0:7): a", 10.0)
    assert gathering.overdue(10.5) == []
    assert gathering.overdue(11.0) == [b"type=SYSCALL msg=audit(1.0:7): a"]


class Listening:
    """Audit at work over a spool."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.stop = Spool(folder), threading.Event()
        notices = Notices("host", is_quiet=True)
        self.intake = Intake(self.spool, notices, wake=threading.Event(), stop=self.stop)
        self.audit = Audit()
        self.thread = threading.Thread(target=self.audit.run, args=(self.intake, self.stop))
        self.thread.start()
        wait_until(lambda: self.audit.key in keys())

    def close(self) -> None:
        self.stop.set()
        self.thread.join()
        self.spool.close()

    def records(self, marker: str) -> list[bytes]:
        frames, _ = self.spool._collect(self.spool.acked, None, 1 << 30)
        return [
            one.payload
            for frame in frames
            if frame.streams[0] == ("process", "linux_audit")
            for _, _, one in wire.walk_records(frame.block)
            if b"type=EXECVE" in one.payload and marker.encode() in one.payload
        ]


def keys() -> list[str]:
    with contextlib.closing(netlink.AuditSocket()) as socket:
        return [netlink.key_of(rule) for _, rule in socket.request(netlink.AUDIT_LIST_RULES)]


@pytest.fixture
def listening(tmp_path) -> Iterator[Listening]:
    made = Listening(tmp_path / "a")
    yield made
    made.close()


def run_marked(marker: str, times: int) -> None:
    script = f"for i in $(seq {times}); do /bin/true {marker} number-$i; done"
    subprocess.run(["bash", "-c", script], check=True)


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="audit needs root")
def test_catches_all_of_403_fast_starts_with_their_arguments(listening, tmp_path):
    marker = f"marker-{tmp_path.name}"
    run_marked(marker, 403)
    wait_until(lambda: len(listening.records(marker)) >= 403)
    records = [one for one in listening.records(marker) if b'a0="/bin/true"' in one]
    numbers = {one.split(b'a2="number-')[1].split(b'"')[0] for one in records}
    assert numbers == {str(number).encode() for number in range(1, 404)}


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="audit needs root")
def test_hears_beside_another_audit_daemon(listening, tmp_path):
    """The second agent finds the place taken and joins the multicast group."""
    second = Listening(tmp_path / "b")
    second.audit.key = listening.audit.key
    marker = f"beside-{tmp_path.name}"
    run_marked(marker, 20)
    wait_until(lambda: len([one for one in second.records(marker) if b"/bin/true" in one]) == 20)
    is_daemon = second.audit.is_daemon
    second.close()
    assert not is_daemon


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="audit needs root")
def test_takes_its_rules_away_when_it_stops(tmp_path):
    one = Listening(tmp_path / "a")
    key = one.audit.key
    one.close()
    assert key not in keys()


def test_the_fallback_says_what_it_could_not_read():
    from datetime import UTC, datetime

    facts = facts_of(2**22 + 1, datetime.now(UTC))
    assert facts["incomplete"] is True
    assert "args" in facts["missing"]
