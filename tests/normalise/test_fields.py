"""The published field list."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc.model.event import Scalar
from soc.normalise import fields
from soc.normalise.fields import ECS, check, conform, is_known
from soc.normalise.make_ecs_fields import listing


@pytest.mark.parametrize(
    "name",
    [
        "process.executable",
        "labels.anything",
        "winlog.event_data.Product Name",
        "soc.agency_id",
        "@timestamp",
    ],
)
def test_ecs_labels_and_vendor_namespaces_are_known(name: str) -> None:
    """What an event may carry."""
    assert is_known(name)


@pytest.mark.parametrize(
    "name", ["process.executible", "Image", "winlog.", "", "foo.bar", "labelsx.y"]
)
def test_anything_else_is_unknown(name: str) -> None:
    """A slip of the pen in a reader or a rule is found."""
    assert not is_known(name)


def test_every_unknown_name_is_told() -> None:
    """All at once, so that one run mends them."""
    with pytest.raises(ValueError, match=r"not in the published field list: Image, foo\.bar"):
        check({"foo.bar": 1, "Image": "x", "message": "y"})


def test_the_types_are_those_of_ecs() -> None:
    """Ports are numbers, event codes are words."""
    assert (ECS["source.port"], ECS["event.code"], ECS["source.ip"]) == ("long", "keyword", "ip")


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("source.port", "443", 443),
        ("source.port", 2**70, None),
        ("source.port", float("inf"), None),
        ("source.ip", "::ffff:10.0.0.1", "10.0.0.1"),
        ("source.ip", "host", None),
        ("dll.code_signature.exists", "true", True),
        ("event.code", 4624, "4624"),
        ("labels.x", 1.5, 1.5),
    ],
)
def test_a_value_conforms_to_its_field(name: str, written: Scalar, value: Scalar | None) -> None:
    """Or is None, and the reader keeps it as a label."""
    assert conform(name, written) == value


def test_the_list_is_what_the_release_of_ecs_says(corpus: Path) -> None:
    """``make_ecs_fields`` wrote it, and nobody else."""
    shipped = Path(fields.__file__).with_name("ecs_fields.txt").read_text("utf-8")
    assert listing(corpus / "standards" / "ecs") == shipped
