"""Packs: compiled once, loaded without pySigma, changed while the site runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import orjson
import pytest

from soc.detect import compile as compile_command
from soc.detect.current import CurrentMatcher, current_digest, load_current
from soc.detect.matcher import Matcher
from soc.detect.packs import PACKS_KEPT, compile_pack, load_pack, save_pack, user_cache
from soc.errors import RuleError
from tests.detect.builders import HERE, ID, rule, write_rules

DETECTION = {
    "s": {
        "f|contains": ["one", "two", "three", "four", "five"],
        "g|re": "^a+$",
        "h|cidr": "10.0.0.0/8",
        "i|fieldref": "f",
    },
    "k": ["word"],
    "condition": "s or k",
}
HIT = {"f": "one", "g": "aa", "h": "10.0.0.1", "i": "ONE", **HERE}


def folder_with(folder: Path, *numbers: int) -> Path:
    return write_rules(folder, [rule(number, DETECTION) for number in numbers])


def test_a_loaded_pack_says_what_the_compiled_one_said(tmp_path: Path) -> None:
    made = compile_pack([folder_with(tmp_path / "rules", 1)], mapping="native")
    save_pack(made, tmp_path / "x.pack")
    loaded = load_pack(tmp_path / "x.pack")
    assert loaded.rules == made.rules
    for event in (HIT, {**HIT, "i": "x"}, {"z": "a word", **HERE}):
        assert Matcher(loaded).match(event) == Matcher(made).match(event)


def test_a_pack_file_is_decoded_in_pieces(tmp_path: Path) -> None:
    """Decoding holds Python's lock: in one piece, SigmaHQ's 25 MB hold a door up for a tenth of a second."""
    made = compile_pack([folder_with(tmp_path / "rules", 1, 2)], mapping="native")
    save_pack(made, tmp_path / "x.pack")
    plain = msgspec.msgpack.decode((tmp_path / "x.pack").read_bytes())
    pieces = [*plain["rules"], *plain["conditions"], *plain["fields"]]
    assert len(pieces) == 2 + 2 + len(made.fields)
    assert all(isinstance(piece, bytes) for piece in pieces)


def test_loading_a_pack_does_not_import_pysigma(tmp_path: Path) -> None:
    """pySigma costs a second and a hundred megabytes; only compiling needs it."""
    save_pack(
        compile_pack([folder_with(tmp_path / "rules", 1)], mapping="native"), tmp_path / "x.pack"
    )
    code = (
        "import sys; from pathlib import Path; from soc.detect.matcher import Matcher;"
        "from soc.detect.packs import load_pack; import soc.detect.judge, soc.detect.current;"
        f"Matcher(load_pack(Path({str(tmp_path / 'x.pack')!r})));"
        "print([name for name in sys.modules if name.split('.')[0] == 'sigma'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_same_rules_are_compiled_once(tmp_path: Path) -> None:
    rules, cache = folder_with(tmp_path / "rules", 1), tmp_path / "cache"
    first = compile_pack([rules], mapping="native", cache=cache)
    (kept,) = cache.iterdir()
    before = kept.stat().st_mtime_ns
    again = compile_pack([rules], mapping="native", cache=cache)
    assert (again.digest, kept.stat().st_mtime_ns) == (first.digest, before)


def test_a_changed_rule_changes_the_digest(tmp_path: Path) -> None:
    rules = folder_with(tmp_path / "rules", 1)
    before = compile_pack([rules], mapping="native").digest
    path = rules / "rule_0000.yml"
    path.write_text(path.read_text().replace("high", "low"))
    assert compile_pack([rules], mapping="native").digest != before


def test_the_mapping_is_part_of_the_digest(tmp_path: Path) -> None:
    rules = folder_with(tmp_path / "rules", 1)
    digests = {compile_pack([rules], mapping=mapping).digest for mapping in ("ecs", "native")}
    assert len(digests) == 2


def test_a_damaged_cache_is_compiled_again(tmp_path: Path) -> None:
    rules, cache = folder_with(tmp_path / "rules", 1), tmp_path / "cache"
    compile_pack([rules], mapping="native", cache=cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    assert Matcher(compile_pack([rules], mapping="native", cache=cache)).match(HIT)


def test_a_damaged_pack_is_refused_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "x.pack").write_bytes(b"\x81\xa5magic\xa1x")
    with pytest.raises(RuleError, match="compile the rules again"):
        load_pack(tmp_path / "x.pack")


def test_compiling_in_a_process_publishes_the_pack(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    rules, home = folder_with(tmp_path / "rules", 1, 2), tmp_path / "packs"
    (rules / "bad.yml").write_text("title: [")
    code = compile_command.main(["--home", str(home), "--mapping", "native", str(rules)])
    said = orjson.loads(capfdbinary.readouterr().out)
    assert code == compile_command.SOME_REFUSED  # one rule was refused, the others are in use
    assert (said["active"], len(said["refused"])) == (2, 1)
    assert current_digest(home) == said["digest"] == load_current(home).digest
    assert orjson.loads((home / f"{said['digest']}.json").read_bytes()) == said


def test_new_rules_are_taken_up_while_running(tmp_path: Path) -> None:
    rules, home = folder_with(tmp_path / "rules", 1), tmp_path / "packs"
    compile_command.main(["--home", str(home), "--mapping", "native", str(rules)])
    current = CurrentMatcher(home)
    assert not current.refresh()
    folder_with(rules, 1, 2)
    compile_command.main(["--home", str(home), "--mapping", "native", str(rules)])
    assert current.refresh()
    assert current.matcher.match(HIT) == (ID.format(1), ID.format(2))


def test_a_missing_pack_leaves_the_rules_in_use(tmp_path: Path) -> None:
    rules, home = folder_with(tmp_path / "rules", 1), tmp_path / "packs"
    compile_command.main(["--home", str(home), "--mapping", "native", str(rules)])
    current = CurrentMatcher(home)
    (home / "current").write_text("0" * 32)
    with pytest.raises(RuleError, match="missing"):
        current.refresh()
    assert current.matcher.match(HIT) == (ID.format(1),)


def test_old_packs_are_dropped_but_for_the_last(tmp_path: Path) -> None:
    rules, home = tmp_path / "rules", tmp_path / "packs"
    for count in (1, 2, 3):
        folder_with(rules, *range(count))
        compile_command.main(["--home", str(home), "--mapping", "native", str(rules)])
    assert len(list(home.glob("*.pack"))) == 2


def test_the_users_cache_keeps_only_the_newest_packs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = user_cache()
    assert folder is not None
    for number in range(PACKS_KEPT + 3):
        (folder / f"{number}.pack").write_bytes(b"")
    user_cache()
    assert len(list(folder.iterdir())) == PACKS_KEPT


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert user_cache() is None
