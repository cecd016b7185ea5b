"""The templates that exporters have told, kept within a bound."""

from __future__ import annotations

from collections import OrderedDict

from collectors.flow_export.messages import Template

TEMPLATE_BYTES, FIELD_BYTES = 200, 100  # what one weighs in memory, guessed high


class KnownTemplates:
    """Templates by exporter address, domain and number; the longest unused leave first.

    The bound is over all exporters, so that a flood of made-up templates costs no memory; it can
    push out true ones, which their exporter tells again. ``pushed_out`` counts them.
    """

    def __init__(self, *, at_most_bytes: int) -> None:
        self._at_most_bytes = at_most_bytes
        self._held: OrderedDict[tuple[str, int, int], Template] = OrderedDict()
        self.size_bytes = 0
        self.pushed_out = 0

    def __len__(self) -> int:
        return len(self._held)

    def tell(self, exporter: str, domain: int, template: Template) -> None:
        """Keep the template in place of an older one; one without fields is a withdrawal."""
        key = (exporter, domain, template.number)
        older = self._held.pop(key, None)
        if older is not None:
            self.size_bytes -= _weight(older)
        if not template.fields:
            return
        self._held[key] = template
        self.size_bytes += _weight(template)
        while self.size_bytes > self._at_most_bytes:
            _, longest_unused = self._held.popitem(last=False)
            self.size_bytes -= _weight(longest_unused)
            self.pushed_out += 1

    def find(self, exporter: str, domain: int, number: int) -> Template | None:
        """The template as it was told last, which now counts as used."""
        key = (exporter, domain, number)
        template = self._held.get(key)
        if template is not None:
            self._held.move_to_end(key)
        return template


def _weight(template: Template) -> int:
    return TEMPLATE_BYTES + FIELD_BYTES * len(template.fields)
