"""The register file: what it may say, and how a mistake is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soc.errors import RegisterError
from soc.register.files import DEMO, dump, load
from soc.register.gaps import gaps
from tests.register.conftest import SMALL

Write = Callable[..., Path]
BOMB = (
    b"a0: &a0 [x]\n"
    + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)
    )
    + b"format: *a11\n"
)  # ten to the eleventh, should anybody write it out


def problems(path: Path) -> list[str]:
    """What is wrong with a file, without the folder it stands in."""
    with pytest.raises(RegisterError) as refused:
        load(path)
    return [each.replace(f"{path.parent}/", "") for each in refused.value.problems]


def test_a_code_in_the_old_order_is_kept_in_the_new(written: Write):
    """Both orders are read, one is written."""
    assert load(written(SMALL)).agencies[0].code == "H99.08"


def test_two_owners_of_one_range_are_refused_and_both_named(written: Write):
    """An address has one owner."""
    path = written(SMALL + "- cidr: 10.14.0.0/16\n  agency: syt\n")
    assert problems(path) == [
        "province.yaml:35: the range 10.14.0.0/16 of syt overlaps the range 10.14.0.0/16 of sxd"
        " (province.yaml:31): an address has one owner"
    ]


def test_a_range_inside_another_agencys_is_refused_and_both_named(written: Write):
    """It may be a slip of the pen: nothing is guessed."""
    path = written(SMALL + "- cidr: 10.14.9.0/24\n  agency: syt\n")
    assert problems(path) == [
        "province.yaml:35: the range 10.14.9.0/24 of syt overlaps the range 10.14.0.0/16 of sxd"
        " (province.yaml:31): if that is meant, write inside: 10.14.0.0/16"
    ]


def test_a_range_that_says_inside_which_it_lies_is_taken(written: Write):
    """Then it was meant."""
    path = written(SMALL + "- {cidr: 10.14.9.0/24, agency: syt, inside: 10.14.0.0/16}\n")
    assert len(load(path).ranges) == 3


def test_inside_names_the_nearest_range(written: Write):
    """Naming the wrong one shows that the writer does not know what is there."""
    more = (
        "- {cidr: 10.14.8.0/22, agency: sxd}\n"
        "- {cidr: 10.14.9.0/24, agency: syt, inside: 10.14.0.0/16}\n"
    )
    assert problems(written(SMALL + more)) == [
        "province.yaml:36: 10.14.9.0/24 does not lie inside the range 10.14.0.0/16:"
        " the nearest is 10.14.8.0/22"
    ]


def test_a_narrower_range_of_the_same_agency_needs_no_word(written: Write):
    """A server room within the building."""
    path = written(SMALL + "- {cidr: 10.14.8.0/24, agency: sxd, system: HT-011}\n")
    assert load(path).ranges[1].system == "HT-011"


def test_ipv6_ranges_obey_the_same_law(written: Write):
    """IPv6 is no second class."""
    path = written(SMALL + "- {cidr: '2001:db8:14:9::/64', agency: syt}\n")
    assert (
        "2001:db8:14:9::/64 of syt overlaps the range 2001:db8:14::/48 of sxd" in problems(path)[0]
    )


def test_a_host_address_where_a_range_is_meant_is_told_the_range(written: Write):
    """The remedy stands in the message."""
    (problem,) = problems(written(SMALL + "- {cidr: 10.20.1.5/24, agency: syt}\n"))
    assert problem.endswith("10.20.1.5/24 is an address inside 10.20.1.0/24; write 10.20.1.0/24")


def test_every_problem_is_found_in_one_go_with_its_line(written: Write):
    """Three slips, three lines."""
    text = SMALL.replace("level: 3", "level: 7").replace("kind: server", "kidn: server")
    text = text.replace("code: H99.09", "code: h99.09")
    assert [problem.split(": ")[0] for problem in problems(written(text))] == [
        "province.yaml:7",
        "province.yaml:20",
        "province.yaml:25",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("operator: sxd", "operator: sdx", "HT-011: operator: there is no agency 'sdx'"),
        ("system: HT-011", "system: HT-999", "fs01: system: there is no system 'HT-999'"),
        ("phone: '0000100001'", "phone: 0000100001", "write it in quotes"),
        ("agency: sxd\n  role", "agency: sxd\n  agency: syt\n  role", "'agency' stands twice"),
        ("format: 1", "format: 2", "format 2 is not 1"),
        ("contacts:", "kontacts:", "there is no section 'kontacts'"),
        ("addresses: [10.14.8.10]", "addresses: [10.14.8]", "10.14.8"),
        ("- id: syt", "- id: sxd", "'sxd' stands already at"),
        ("code: H99.09", "code: H99.08", "the code H99.08 of syt is used by sxd at the same time"),
        ("name: Sở Y tế", "name: Sở Y tế\n  parent: syt", "syt: its parent leads back to itself"),
        ("name: Sở Y tế", "name: Sở Y tế\n  successor: sxd", "needs valid_to"),
        ("role: monitoring", "role: boss", "'monitoring', 'response' or 'deputy'"),
    ],
    ids=lambda text: text[:24],
)
def test_a_mistake_is_named(written: Write, old: str, new: str, said: str):
    """Each kind in plain words."""
    assert any(said in problem for problem in problems(written(SMALL.replace(old, new, 1))))


def test_an_internal_address_is_no_public_address(written: Write):
    """Forms to the national centre carry public addresses only."""
    text = SMALL.replace("level: 3\n", "level: 3\n  public_addresses: [10.14.8.10]\n")
    assert "10.14.8.10 is not a public address" in problems(written(text))[0]


def test_a_code_may_be_used_again_after_its_agency_ended(written: Write):
    """Codes live on when agencies merge."""
    text = SMALL.replace("name: Sở Y tế", "name: Sở Y tế\n  valid_from: 2025-03-01")
    text = text.replace("code: H99.09", "code: H99.08").replace(
        "name: Sở Xây dựng", "name: Sở Xây dựng\n  valid_to: 2025-02-28\n  successor: syt"
    )
    assert {entry.code for entry in load(written(text)).agencies} == {"H99.08"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"agencies: [", "province.yaml:2: not YAML"),
        (b"a: \xff", "not UTF-8"),
        (b"- 1", "a register is a mapping"),
        (b"agencies: {a: 1}", "agencies is a list"),
        (b"agencies: [1]", "province.yaml:1: agencies"),
        (b"agencies:\n- !!python/object:os.system x", "not YAML"),
        (b"", "a register is a mapping"),
        (BOMB, "format of that kind is not 1"),
        (b"agencies: &a [*a]", "province.yaml:1: agencies"),
        (b"agencies: " + b"[" * 2000 + b"]" * 2000, "nested deeper"),
        (b"agencies: " + b"[" * 100_000, "nested over 200 deep"),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_a_file_that_is_no_register_is_refused_plainly(tmp_path: Path, content: bytes, said: str):
    """No traceback, whatever the bytes."""
    path = tmp_path / "province.yaml"
    path.write_bytes(content)
    assert any(said in problem for problem in problems(path))


def test_a_missing_file_is_named(tmp_path: Path):
    """The path and why."""
    assert problems(tmp_path / "none.yaml") == [
        "none.yaml: cannot be read: No such file or directory"
    ]


def test_names_are_written_one_way(written: Write):
    """Decomposed Vietnamese letters look the same and are other bytes."""
    import unicodedata

    decomposed = unicodedata.normalize("NFD", SMALL)
    assert decomposed != SMALL
    assert load(written(decomposed)) == load(written(SMALL))


def test_the_normal_form_is_a_fixed_point(written: Write):
    """Written, read and written again, it is the same bytes."""
    once = dump(load(written(SMALL)))
    assert dump(load(written(once))) == once


def test_a_folder_is_read_as_one_register(written: Write, tmp_path: Path):
    """Sections may stand in files of their own."""
    whole = dump(load(written(SMALL)))
    head, _, ranges = SMALL.partition("ranges:")
    written(head, "province.yaml")
    written(f"ranges:{ranges}", "ranges.yaml")
    assert dump(load(tmp_path)) == whole


def test_what_is_unknown_stays_empty_and_is_counted(written: Write):
    """Nothing is filled in by us."""
    found = gaps(load(written(SMALL)))
    assert found.of_systems["decision"] == ("HT-011",)
    assert found.of_systems["level"] == ()
    assert found.complete_systems == 0
    assert found.without_monitoring_contact == ("syt",)


def test_the_demo_province_is_whole():
    """188 agencies today and two that were merged, 39 systems, 24 servers; every file in its normal order."""
    register = load(DEMO)
    today = [entry for entry in register.agencies if entry.valid_to is None]
    servers = [entry for entry in register.assets if entry.kind == "server"]
    assert (len(today), len(register.systems), len(servers)) == (188, 39, 24)


def test_the_platform_itself_is_a_system_of_level_3():
    """With its own servers, so that its own logs have an owner."""
    register = load(DEMO)
    (soc,) = [entry for entry in register.systems if entry.id == "HT-006"]
    assert (soc.level, soc.operator) == (3, "ttgsanm")
    assert any(entry.system == "HT-006" for entry in register.assets)


def test_the_example_of_the_handbook_is_a_register(written: Write):
    """What people copy must work."""
    text = (Path(__file__).parents[2] / "docs" / "register-file.md").read_text("utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    register = load(written(example))
    assert {entry.id for entry in register.agencies} == {"ubnd-tinh", "skhcn", "sxd", "sgtvt"}
