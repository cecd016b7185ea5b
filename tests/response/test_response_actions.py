"""Each action on this machine, commanded through a real door."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from collectors.agent.actions.contract import ActionRefused, Work
from collectors.agent.actions.disable_account import DisableAccount
from collectors.agent.actions.isolate_host import IsolateHost
from collectors.agent.actions.quarantine_file import QuarantineFile
from collectors.agent.actions.stop_process import BOOT_ID, known, tree_of
from collectors.agent.actions.windows import WINDOWS
from soc.model.response import ResponseAction
from tests.conftest import missing
from tests.response.lab import AN, Lab, wait_until

HOSTILE = b"\x7fELF \x00\xff\r\n<script>" * 100


def a_work(tmp_path: Path, **parameters) -> Work:
    folder = tmp_path / "home" / "measures" / "rc-1"
    (tmp_path / "home").mkdir(exist_ok=True)
    return Work("rc-1", parameters, folder, ("127.0.0.1", 8601))


# ── quarantine ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_taken_and_comes_back_byte_for_byte(lab: Lab, agent, tmp_path):
    """Bytes, mode, owner, both times to the nanosecond, extended attributes."""
    path = tmp_path / "mã độc.bin"
    path.write_bytes(HOSTILE)
    path.chmod(0o4751)
    os.setxattr(path, "user.origin", b"\x00mail")
    os.utime(path, ns=(1_700_000_000_123_456_789, 1_600_000_000_987_654_321))
    before = path.stat()
    wanted = {"path": str(path), "sha256": hashlib.sha256(HOSTILE).hexdigest()}
    taken = lab.ask(agent, ResponseAction.QUARANTINE_FILE, wanted)
    assert lab.outcome(agent, taken)["state"] == "done"
    assert not path.exists()
    stored = agent.home / "measures" / taken / "content"
    assert stored.read_bytes() == HOSTILE
    assert [stored.stat().st_mode & 0o777, stored.parent.stat().st_mode & 0o777] == [0o600, 0o700]

    back = lab.desk.undo(AN, taken, "nhầm", datetime.now(UTC))
    assert lab.outcome(agent, back)["state"] == "done"
    after = path.stat()
    assert path.read_bytes() == HOSTILE
    for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns"):
        assert getattr(after, name) == getattr(before, name), name
    assert os.getxattr(path, "user.origin") == b"\x00mail"
    assert lab.desk.measures(AN, datetime.now(UTC)) == []


def test_the_time_of_the_last_access_comes_back(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"x")
    os.utime(path, ns=(1_700_000_000_123_456_789, 1_600_000_000_987_654_321))
    work = a_work(tmp_path, path=str(path))
    QuarantineFile().run(work)
    QuarantineFile().undo(work)
    assert path.stat().st_atime_ns == 1_700_000_000_123_456_789


@pytest.mark.parametrize("trick", ["file", "folder", "fifo", "directory", "gone", "device"])
def test_tricks_with_links_are_refused_and_nothing_is_touched(tmp_path, trick):
    """A link is never followed, neither as the file nor on the way to it."""
    real = tmp_path / "real"
    real.mkdir()
    (real / "shadow").write_bytes(b"secret")
    path = tmp_path / "x"
    if trick == "file":
        path.symlink_to(real / "shadow")
    elif trick == "folder":
        (tmp_path / "way").symlink_to(real)
        path = tmp_path / "way" / "shadow"
    elif trick == "fifo":
        os.mkfifo(path)
    elif trick == "directory":
        path.mkdir()
    elif trick == "device":
        path = Path("/dev/null")
    with pytest.raises(ActionRefused):
        QuarantineFile().run(a_work(tmp_path, path=str(path)))
    assert (real / "shadow").read_bytes() == b"secret"
    assert not (tmp_path / "home" / "measures" / "rc-1" / "content").exists()


@pytest.mark.parametrize(
    "path", ["x", "/a/../etc/shadow", "/etc//shadow", "/", "/proc/1/mem", "/a\nb", 7, None]
)
def test_paths_that_are_not_plain_are_refused(tmp_path, path):
    with pytest.raises(ActionRefused):
        QuarantineFile().run(a_work(tmp_path, path=path))


def test_a_file_put_in_the_place_meanwhile_is_left_alone(tmp_path):
    """The file that was opened is the one that is taken, or none."""
    path, other = tmp_path / "x", tmp_path / "other"
    path.write_bytes(b"meant")
    other.write_bytes(b"innocent")
    work = a_work(tmp_path, path=str(path))
    work.step = lambda name: other.replace(path) if name == "before rename" else None
    with pytest.raises(ActionRefused, match="replaced"):
        QuarantineFile().run(work)
    assert path.read_bytes() == b"innocent"


def test_a_file_whose_name_is_taken_meanwhile_is_named_where_it_stands(tmp_path):
    """It cannot get its name back without writing over another one: it is said, and nothing is lost."""
    path = tmp_path / "x"
    path.write_bytes(b"meant")
    work = a_work(tmp_path, path=str(path), sha256=hashlib.sha256(b"meant").hexdigest())

    def step(name: str) -> None:
        if name == "before stored":
            path.write_bytes(b"new")
            raise OSError(28, "No space left on device")

    work.step = step
    outcome = QuarantineFile().run(work)
    assert outcome.state == "failed"
    assert Path(outcome.found["file"]).read_bytes() == b"meant"
    assert path.read_bytes() == b"new"


def test_the_agents_own_files_are_left_alone(tmp_path):
    work = a_work(tmp_path, path=str(tmp_path / "home" / "key.pem"))
    with pytest.raises(ActionRefused, match="the agent's own"):
        QuarantineFile().run(work)


def test_other_bytes_than_those_asked_for_are_refused(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"other")
    with pytest.raises(ActionRefused, match="SHA-256"):
        QuarantineFile().run(a_work(tmp_path, path=str(path), sha256="0" * 64))
    assert path.read_bytes() == b"other"


def test_a_restore_never_writes_over_a_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    work = a_work(tmp_path, path=str(path))
    QuarantineFile().run(work)
    path.write_bytes(b"new")
    with pytest.raises(ActionRefused, match="exists again"):
        QuarantineFile().undo(work)
    assert (path.read_bytes(), (work.folder / "content").read_bytes()) == (b"new", b"old")


def test_bytes_changed_in_the_store_do_not_come_back(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    work = a_work(tmp_path, path=str(path))
    QuarantineFile().run(work)
    (work.folder / "content").write_bytes(b"bad")
    with pytest.raises(ActionRefused, match="no longer those"):
        QuarantineFile().undo(work)
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_a_file_that_takes_too_long_keeps_its_place(tmp_path):
    """The time is over in the middle of the copy: the file has its name again, and nothing is left in the store."""
    path = tmp_path / "x"
    path.write_bytes(b"x")
    work = a_work(tmp_path, path=str(path))
    work.deadline = time.monotonic() - 1
    with pytest.raises(ActionRefused, match="longer than it may"):
        QuarantineFile().run(work)
    assert path.read_bytes() == b"x"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["home", "x"]
    assert not (work.folder / "content").exists()


def test_the_platforms_own_machine_is_not_isolated(tmp_path):
    """It would cut off everybody else."""
    with pytest.raises(ActionRefused, match="runs on this machine"):
        IsolateHost().run(a_work(tmp_path, seconds=600))


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────

FAMILY = """
import os, sys, time
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        os.fork()
        time.sleep(60)
        os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""


def a_family() -> subprocess.Popen[bytes]:
    made = subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE)
    assert made.stdout is not None
    made.stdout.readline()
    return made


def test_a_whole_tree_of_processes_ends(lab: Lab, agent):
    """Children with sessions of their own too; the answer names each."""
    with a_family() as family:
        found = known(family.pid)
        wait_until(lambda: len(tree_of(found)) == 5)
        tree = tree_of(found)
        wanted = {
            "pid": family.pid,
            "start_ticks": found.start_ticks,
            "boot_id": BOOT_ID.read_text().strip(),
        }
        answer = lab.outcome(agent, lab.ask(agent, ResponseAction.STOP_PROCESS, wanted))
        assert (family.wait(5), answer["state"]) == (-signal.SIGKILL, "done")
    assert {one["pid"] for one in answer["found"]["processes"]} == {one.pid for one in tree}
    assert [one.pid for one in tree if (now := known(one.pid)) and now == one] == []


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"start_ticks": 1}, "another process"),
        ({"boot_id": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}, "again"),
    ],
)
def test_a_reused_pid_is_not_hit(lab: Lab, agent, other, said):
    """The same number with another start, or of another boot, is another process."""
    with subprocess.Popen(["sleep", "60"]) as process:
        found = known(process.pid)
        wanted = {
            "pid": process.pid,
            "start_ticks": found.start_ticks,
            "boot_id": BOOT_ID.read_text().strip(),
        } | other
        answer = lab.outcome(agent, lab.ask(agent, ResponseAction.STOP_PROCESS, wanted))
        assert (answer["state"], said in answer["reason"], process.poll()) == (
            "unchanged",
            True,
            None,
        )
        process.kill()


def test_the_agent_does_not_stop_itself_or_its_parents(lab: Lab, agent):
    for pid in (os.getpid(), os.getppid()):
        if pid == 1:
            continue
        wanted = {
            "pid": pid,
            "start_ticks": known(pid).start_ticks,
            "boot_id": BOOT_ID.read_text().strip(),
        }
        answer = lab.outcome(agent, lab.ask(agent, ResponseAction.STOP_PROCESS, wanted))
        assert (answer["state"], "the agent" in answer["reason"]) == ("unchanged", True)


def test_a_process_with_a_hostile_name_is_read_rightly(tmp_path):
    """Brackets, blanks, a newline and bytes that are no UTF-8 in the name do not move the fields."""
    program = tmp_path / os.fsdecode(b"a) R 1 (\n\xff")
    shutil.copyfile("/bin/sleep", program)
    program.chmod(0o755)
    with subprocess.Popen([program, "60"]) as process:
        found = known(process.pid)
        assert (found.pid, found.parent, found.user) == (process.pid, os.getpid(), os.geteuid())
        assert found.start_ticks >= known(os.getpid()).start_ticks
        json.dumps(found.command_line).encode()
        process.kill()


# ── accounts ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    """A folder with an /etc of its own, as usermod's --prefix wants it."""
    if os.geteuid() != 0:
        missing("root, for usermod")
    etc = tmp_path / "prefix" / "etc"
    etc.mkdir(parents=True)
    (etc / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nthuha:x:1501:1501::/home/thuha:/bin/sh\nsvc:x:1502:1502::/:/bin/sh\n"
    )
    (etc / "shadow").write_text(
        "root:*:20000:0:99999:7:::\nthuha:$y$abc$def:20000:0:99999:7::25000:\nsvc:!:20000:0:99999:7:::\n"
    )
    (etc / "group").write_text("root:x:0:\nthuha:x:1501:\nsvc:x:1502:\n")
    (etc / "gshadow").write_text("root:*::\nthuha:!::\nsvc:!::\n")
    return tmp_path / "prefix"


@pytest.mark.root
@pytest.mark.parametrize("account", ["thuha", "svc"])
def test_an_account_is_disabled_and_enabled_as_it_was(tmp_path, accounts, account):
    """Locked and ended by the real usermod; the undo brings the very line back, also of one that was locked before."""
    shadow = accounts / "etc" / "shadow"
    before = shadow.read_text()
    action, work = DisableAccount(str(accounts)), a_work(tmp_path, account=account)
    assert action.run(work).state == "done"
    [line] = [one for one in shadow.read_text().splitlines() if one.startswith(account)]
    assert (line.split(":")[1][0], line.split(":")[7], action.is_in_force(work)) == ("!", "1", True)
    assert action.undo(work).state == "done"
    assert (shadow.read_text(), action.is_in_force(work)) == (before, False)


@pytest.mark.root
@pytest.mark.parametrize("account", ["root", "nobody-here", "-e", "a b", "x:y", "../x", "", 7])
def test_accounts_that_must_not_or_cannot_be_disabled(tmp_path, accounts, account):
    shadow = accounts / "etc" / "shadow"
    before = shadow.read_text()
    with pytest.raises(ActionRefused):
        DisableAccount(str(accounts)).run(a_work(tmp_path, account=account))
    assert shadow.read_text() == before


@pytest.mark.root
@pytest.mark.parametrize("verb", ["run", "undo"])
@pytest.mark.parametrize("step", ["before usermod", "after usermod"])
def test_killed_while_an_account_is_changed(tmp_path, accounts, verb, step):
    """One usermod is all or nothing, and what the next agent says is true."""
    action, work = DisableAccount(str(accounts)), a_work(tmp_path, account="thuha")
    if verb == "undo":
        action.run(work)
    was = action.is_in_force(work)
    child = os.fork()
    if child == 0:
        work.step = lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == step else None
        getattr(action, verb)(work)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    outcome = action.after_kill(work, verb)
    assert outcome.state == ("done" if step == "after usermod" else "unchanged")
    assert action.is_in_force(work) == (was if outcome.state == "unchanged" else not was)


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_triage_bundle_arrives_hashed_and_with_its_chain_of_custody(lab: Lab, agent, tmp_path):
    """Every member has its hash; who asked stands in it; the platform keeps it by its own hash."""
    wanted = tmp_path / "evidence.txt"
    wanted.write_bytes(HOSTILE)
    link = tmp_path / "link"
    link.symlink_to("/etc/shadow")
    command = lab.ask(agent, ResponseAction.COLLECT_TRIAGE, {"files": [str(wanted), str(link)]})
    answer = lab.outcome(agent, command)
    row = lab.desk.find(AN, command)
    assert answer["state"] == "done"
    content = (lab.home / "evidence" / row.evidence_sha256).read_bytes()
    assert hashlib.sha256(content).hexdigest() == row.evidence_sha256 == answer["found"]["sha256"]
    plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        members = {one.name: archive.extractfile(one).read() for one in archive.getmembers()}
    custody = json.loads(members.pop("custody.json"))
    sums = members.pop("SHA256SUMS")
    assert custody["sha256sums"] == hashlib.sha256(sums).hexdigest()
    told = dict(reversed(line.split("  ", 1)) for line in sums.decode().splitlines())
    assert told == {name: hashlib.sha256(one).hexdigest() for name, one in members.items()}
    assert members["files" + str(wanted)] == HOSTILE
    assert custody["custody"]["asked_by"] == "an"
    assert custody["unread"][str(link)]
    for part in ("processes", "sockets", "autoruns", "users", "log_ins", "packages"):
        assert json.loads(members[f"{part}.json"])["rows"] or part in ("sockets", "log_ins")


def test_a_bundle_stays_under_its_limit_and_says_what_was_left_out(lab: Lab, agent, tmp_path):
    """Files that compress no further: what does not fit is named, and the door takes the rest."""
    files = [tmp_path / f"noise-{number}" for number in range(6)]
    for one in files:
        one.write_bytes(os.urandom(4 * 1024**2 + 1))
    command = lab.ask(agent, ResponseAction.COLLECT_TRIAGE, {"files": [str(one) for one in files]})
    answer = lab.outcome(agent, command)
    unread = answer["found"]["unread"]
    assert answer["state"] == "done"
    assert answer["found"]["size"] < 16 * 1024**2
    assert lab.desk.find(AN, command).evidence_bytes == answer["found"]["size"]
    assert "the bundle is full" in unread.values()
    assert unread[str(files[0])] == f"only the first {4 * 1024**2} bytes were taken"


def test_files_are_found_by_their_hash(lab: Lab, agent, tmp_path):
    folder = tmp_path / "tree" / "deep"
    folder.mkdir(parents=True)
    (folder / "bad.bin").write_bytes(HOSTILE)
    (folder / "good.bin").write_bytes(b"good")
    (folder / "fifo").unlink(missing_ok=True)
    os.mkfifo(folder / "fifo")
    wanted = {
        "what": "files",
        "folder": str(tmp_path / "tree"),
        "sha256": [hashlib.sha256(HOSTILE).hexdigest()],
    }
    answer = lab.outcome(agent, lab.ask(agent, ResponseAction.QUERY_STATE, wanted))
    assert [one["path"] for one in answer["found"]["rows"]] == [str(folder / "bad.bin")]
    assert answer["found"]["files"] == 2


@pytest.mark.parametrize("what", ["processes", "sockets", "autoruns"])
def test_live_state_is_answered(lab: Lab, agent, what):
    answer = lab.outcome(agent, lab.ask(agent, ResponseAction.QUERY_STATE, {"what": what}))
    assert (answer["state"], answer["found"]["what"]) == ("done", what)
    if what == "processes":
        mine = [one for one in answer["found"]["rows"] if one["pid"] == os.getpid()]
        assert mine[0]["start_ticks"] == known(os.getpid()).start_ticks


def test_a_dry_run_changes_nothing(lab: Lab, agent, tmp_path):
    """And needs one person only."""
    path = tmp_path / "x"
    path.write_bytes(b"x")
    command = lab.ask(agent, ResponseAction.QUARANTINE_FILE, {"path": str(path)}, dry_run=True)
    answer = lab.outcome(agent, command)
    assert (answer["state"], path.read_bytes()) == ("done", b"x")
    assert answer["found"]["sha256"] == hashlib.sha256(b"x").hexdigest()
    assert lab.desk.measures(AN, datetime.now(UTC)) == []


AS_NOBODY = """
import encodings.idna, os, sys
from pathlib import Path
from collectors.agent.actions import actions_here
from collectors.agent.actions.contract import ActionRefused, Work
from collectors.agent.actions.stop_process import BOOT_ID, known
home, secret, pid = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
wanted = {
    "isolate_host": {"seconds": 600},
    "disable_account": {"account": "daemon"},
    "quarantine_file": {"path": secret},
    "stop_process": {"pid": pid, "start_ticks": known(pid).start_ticks},
}
here = actions_here()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for name, parameters in wanted.items():
    try:
        print(here[name].run(Work("rc-1", parameters, home / "measures" / "rc-1", ("192.0.2.1", 8601))))
    except ActionRefused as refusal:
        print(name, "refused:", refusal)
"""


@pytest.mark.root
def test_without_root_each_action_says_what_it_cannot_do(tmp_path_factory):
    """And changes nothing."""
    if os.geteuid() != 0:
        missing("root, for becoming somebody else")
    folder = tmp_path_factory.mktemp("nobody")
    for one in (folder, *folder.parents):
        if one == Path(tempfile.gettempdir()):
            break
        one.chmod(0o755)
    (home := folder / "home").mkdir()
    os.chown(home, 65534, 65534)
    (secret := folder / "secret").write_bytes(b"of root")
    secret.chmod(0o644)
    with subprocess.Popen(["sleep", "60"]) as process:
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(home), str(secret), str(process.pid)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        assert process.poll() is None
        process.kill()
    assert done.stdout.count("refused:") == 4, done.stdout + done.stderr
    assert done.stdout.count("root") >= 3
    assert secret.read_bytes() == b"of root"
    assert (
        "rc-1"
        not in subprocess.run(
            ["nft", "list", "ruleset"], capture_output=True, text=True, check=False
        ).stdout
    )


def test_windows_says_that_it_is_not_there_yet(tmp_path):
    """Every action is named with its means, and none pretends."""
    assert set(WINDOWS) == set(ResponseAction)
    for action in WINDOWS.values():
        for act in (action.run, action.undo, action.dry_run):
            with pytest.raises(ActionRefused, match="not on this system yet"):
                act(a_work(tmp_path))
