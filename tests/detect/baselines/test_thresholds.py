"""The numbers file: shipped, changed in part by a site, refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc.detect.baselines.thresholds import load_thresholds
from soc.errors import RuleError
from soc.shipped import folder


def with_file(path: Path, content: bytes) -> list[Path]:
    (path / "baselines.yaml").write_bytes(content)
    return [folder("rules"), path]


def test_a_site_changes_what_it_says_and_nothing_else(tmp_path: Path):
    shipped = load_thresholds([folder("rules")])
    found = load_thresholds(with_file(tmp_path, b"beacon: {calls: 20, longest: 12h}\n"))
    assert (found.beacon.calls, found.beacon.longest) == (20, 43_200)
    assert found.beacon.jitter == shipped.beacon.jitter
    assert found.scan == shipped.scan


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"beacon: {calls: 2}\n", "beacon.calls: "),
        (b"beacon: {often: 2}\n", "beacon.often: Extra inputs"),
        (b"storm: {calls: 2}\n", "storm: Extra inputs"),
        (b"scan: {within: soon}\n", "scan.within: Value error, not a time such as 10m"),
        (b"scan: {within: 0s}\n", "scan.within: "),
        (b"scan: 3\n", "not a short mapping"),
        (b"- scan\n", "not a short mapping"),
        (b"", "not a short mapping"),
        (b"scan: {within: 10m}\n" * 20_000, "not a short mapping"),
        (b"\xff\xfe\x00", ""),
        (b"scan: [", ""),
        (b"a: &a {x: *a}\n", ""),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, content: bytes, said: str):
    with pytest.raises(RuleError) as refused:
        load_thresholds(with_file(tmp_path, content))
    assert "baselines.yaml" in str(refused.value)
    assert said in str(refused.value)
