"""Templates of exporters: kept apart, changed, withdrawn, and bounded."""

from __future__ import annotations

import tracemalloc

from collectors.flow_export.known_templates import KnownTemplates
from collectors.flow_export.messages import Field, Template


def template(number: int, *lengths: int) -> Template:
    return Template(number, tuple(Field(place, length) for place, length in enumerate(lengths)))


def test_exporters_and_domains_are_kept_apart():
    """The same number means another layout for another exporter or domain."""
    known = KnownTemplates(at_most_bytes=10_000)
    known.tell("192.0.2.1", 1, template(256, 4))
    known.tell("192.0.2.1", 2, template(256, 8))
    assert known.find("192.0.2.1", 1, 256) == template(256, 4)
    assert known.find("192.0.2.1", 2, 256) == template(256, 8)
    assert known.find("192.0.2.2", 1, 256) is None


def test_a_changed_template_replaces_and_a_withdrawn_one_leaves():
    """The last word of the exporter holds, and nothing of the older one weighs on."""
    known = KnownTemplates(at_most_bytes=10_000)
    known.tell("192.0.2.1", 1, template(256, 4, 4))
    known.tell("192.0.2.1", 1, template(256, 8))
    assert known.find("192.0.2.1", 1, 256) == template(256, 8)
    known.tell("192.0.2.1", 1, template(256))
    assert (len(known), known.size_bytes, known.find("192.0.2.1", 1, 256)) == (0, 0, None)


def test_a_hundred_thousand_templates_stay_bounded():
    """A flood is held within the bound, counted, and the template in use is still there."""
    known = KnownTemplates(at_most_bytes=2_000_000)
    known.tell("192.0.2.1", 1, template(256, 4))
    tracemalloc.start()
    for number in range(100_000):
        known.tell("198.51.100.9", number, template(300, *range(20)))
        known.find("192.0.2.1", 1, 256)
    held_bytes, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert known.size_bytes <= 2_000_000
    assert known.pushed_out == 100_000 + 1 - len(known)
    assert known.find("192.0.2.1", 1, 256) is not None
    assert max(held_bytes, peak_bytes) < 4_000_000
