"""What is remembered of exporters, within a bound that they share fairly.

Each exporter has a share; when its own is full, its own oldest templates and waiting sets leave. When all together are
too much, whole exporters leave: first those none of whose templates has been used by a later datagram (made-up
senders), the longest silent first, then the longest silent of the others.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from collectors.flow_export.messages import DataSet, Head, Template
from collectors.flow_export.sequences import Sequence

EXPORTER_BYTES, DOMAIN_BYTES = 1_000, 1_500  # what each weighs in memory, guessed high
TEMPLATE_BYTES, FIELD_BYTES, SET_BYTES = 400, 150, 300
MOST_WAITING_BYTES = 256 * 1024  # of one exporter
MOST_RATES = 64  # samplers of one domain
ALL_TEMPLATES, ALL_OPTIONS = (
    2,
    3,
)  # numbers that withdraw every template of the kind (RFC 7011, 8.1)

Sampler = tuple[str, int]
"""("sampler", id), ("interface", number), or ("all", 0)."""


@dataclass(slots=True)
class Domain:
    """One observation domain (v9: source id; v5: engine) of one exporter."""

    templates: OrderedDict[int, Template] = field(default_factory=OrderedDict)
    sequence: Sequence = field(default_factory=Sequence)
    rates: dict[Sampler, int] = field(default_factory=dict)
    started_us: int | None = None  # systemInitTime, for uptimes of IPFIX
    waited: int = 0  # flows that were decoded after they had waited for their template
    given_up: int = 0  # sets whose template did not come while they could be kept

    def learn_rate(self, sampler: Sampler, rate: int) -> None:
        if sampler in self.rates or len(self.rates) < MOST_RATES:
            self.rates[sampler] = rate


class Exporter:
    """The state of one address."""

    def __init__(self, share_bytes: int) -> None:
        self.domains: OrderedDict[int, Domain] = OrderedDict()
        self.size_bytes = EXPORTER_BYTES
        self.is_proved = False
        self.unread = 0  # datagrams that were refused, wholly or from some place on
        self._share_bytes = share_bytes
        self._waiting: deque[tuple[int, Head, DataSet]] = deque()
        self._waiting_bytes = 0

    def domain(self, number: int) -> Domain:
        found = self.domains.get(number)
        if found is None:
            found = self.domains[number] = Domain()
            self.size_bytes += DOMAIN_BYTES
        self.domains.move_to_end(number)
        self._fit()
        return found

    def tell(self, number: int, template: Template) -> None:
        """Keep a template in place of an older one, or withdraw one or all."""
        known = self.domain(number).templates
        if not template.fields and template.number in (ALL_TEMPLATES, ALL_OPTIONS):
            is_options = template.number == ALL_OPTIONS
            gone = [one.number for one in known.values() if one.is_options == is_options]
        else:
            gone = [template.number] if template.number in known else []
        for one in gone:
            self.size_bytes -= _weight(known.pop(one))
        if template.fields:
            known[template.number] = template
            self.size_bytes += _weight(template)
            self._fit()

    def find(self, number: int, template: int) -> Template | None:
        """The template as it was told last, which now counts as used."""
        known = self.domain(number).templates
        if template in known:
            known.move_to_end(template)
        return known.get(template)

    def wait(self, number: int, head: Head, data: DataSet) -> None:
        """Keep a set until its template comes; the oldest leave, and are counted."""
        self._waiting.append((number, head, data))
        self._waiting_bytes += _set_weight(data)
        self.size_bytes += _set_weight(data)
        while self._waiting and self._waiting_bytes > MOST_WAITING_BYTES:
            self._give_up()
        self._fit()

    def waiting_for(self, number: int, template: int) -> list[tuple[Head, DataSet]]:
        """Take the sets that this template describes."""
        taken, kept = [], deque[tuple[int, Head, DataSet]]()
        for one in self._waiting:
            if one[0] == number and one[2].template == template:
                taken.append((one[1], one[2]))
                self._waiting_bytes -= _set_weight(one[2])
                self.size_bytes -= _set_weight(one[2])
            else:
                kept.append(one)
        self._waiting = kept
        return taken

    def _give_up(self) -> None:
        number, _, data = self._waiting.popleft()
        self._waiting_bytes -= _set_weight(data)
        self.size_bytes -= _set_weight(data)
        if number in self.domains:
            self.domains[number].given_up += 1

    def _fit(self) -> None:
        while self.size_bytes > self._share_bytes:
            if self._waiting:
                self._give_up()
                continue
            number, oldest = next(iter(self.domains.items()))
            if oldest.templates and len(self.domains) == 1:
                _, template = oldest.templates.popitem(last=False)
                self.size_bytes -= _weight(template)
            elif len(self.domains) > 1:
                del self.domains[number]
                self.size_bytes -= DOMAIN_BYTES + sum(map(_weight, oldest.templates.values()))
            else:
                return


class Exporters:
    """All exporters that have been heard of lately."""

    def __init__(self, *, at_most_bytes: int, share_bytes: int) -> None:
        self._at_most_bytes, self._share_bytes = at_most_bytes, share_bytes
        self._held: tuple[OrderedDict[str, Exporter], OrderedDict[str, Exporter]] = (
            OrderedDict(),
            OrderedDict(),
        )  # newcomers, proved
        self.size_bytes = 0
        self.pushed_out = 0

    def __len__(self) -> int:
        return len(self._held[0]) + len(self._held[1])

    def __iter__(self) -> Iterator[tuple[str, Exporter]]:
        return iter([*self._held[0].items(), *self._held[1].items()])

    def take(self, address: str) -> Exporter:
        """Take an exporter out to work with; :meth:`put` it back."""
        for held in self._held:
            if address in held:
                found = held.pop(address)
                self.size_bytes -= found.size_bytes
                return found
        return Exporter(self._share_bytes)

    def put(self, address: str, exporter: Exporter) -> None:
        self._held[exporter.is_proved][address] = exporter
        self.size_bytes += exporter.size_bytes
        while self.size_bytes > self._at_most_bytes:
            _, gone = (self._held[0] or self._held[1]).popitem(last=False)
            self.size_bytes -= gone.size_bytes
            self.pushed_out += 1


def _weight(template: Template) -> int:
    return TEMPLATE_BYTES + FIELD_BYTES * len(template.fields)


def _set_weight(data: DataSet) -> int:
    return SET_BYTES + len(data.body)
