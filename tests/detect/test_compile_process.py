"""Rules are compiled in a process of their own; a bad one among them does not stop the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc.detect.current import load_current
from soc.errors import SettingsError
from soc.settings import Settings
from soc.site.rules import compile_rules
from tests.detect.builders import rule, write, write_rules

SEEN = {"s": {"user.name": "root"}, "condition": "s"}


def test_a_refused_rule_is_listed_and_the_others_are_in_use(tmp_path: Path) -> None:
    """A release with one bad rule, or a typing mistake, must not keep a site from starting."""
    write_rules(tmp_path / "rules", [rule(1, SEEN)])
    write(tmp_path / "rules", "bad.yml", "title: x\nlevel: a: b\n")
    settings = Settings(home=tmp_path / "home", rules=[tmp_path / "rules"])
    compile_rules(settings)
    pack = load_current(settings.packs_home)
    assert len(pack.rules) + len(pack.cannot_match) == 1
    assert len(pack.refused) == 1


def test_a_missing_folder_stops_it_with_a_sentence(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", rules=[tmp_path / "none"])
    with pytest.raises(SettingsError, match="exit code 2"):
        compile_rules(settings)
