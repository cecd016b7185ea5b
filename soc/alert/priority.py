"""The priority of an alert, 0 to 100: severity times asset times security level, by one table.

=============  ====  ==================  ======  =====================  ======
severity       base  asset               factor  level of the system    factor
=============  ====  ==================  ======  =====================  ======
informational     5  1 low               0.80    unknown                1.00
low              20  2 usual, unknown    1.00    1                      0.90
medium           40  3 important         1.15    2                      1.00
high             60  4 decisive          1.30    3                      1.10
critical         80                              4                      1.20
                                                 5                      1.30
=============  ====  ==================  ======  =====================  ======

The product is rounded and cut at 100. An unknown level counts as 2, so that an unregistered system is not hidden.
"""

from __future__ import annotations

from types import MappingProxyType

from soc.model.alert import Severity

BASE = MappingProxyType(
    {
        Severity.INFORMATIONAL: 5,
        Severity.LOW: 20,
        Severity.MEDIUM: 40,
        Severity.HIGH: 60,
        Severity.CRITICAL: 80,
    }
)
ASSET_FACTOR = MappingProxyType({1: 0.80, 2: 1.00, 3: 1.15, 4: 1.30})
LEVEL_FACTOR = MappingProxyType({0: 1.00, 1: 0.90, 2: 1.00, 3: 1.10, 4: 1.20, 5: 1.30})


def priority(severity: str, *, criticality: int = 2, system_level: int = 0) -> int:
    """0 to 100; an unknown word or number counts as medium, usual, unknown.

    >>> priority("critical", criticality=4, system_level=3)
    100
    >>> priority("high", criticality=2, system_level=3)
    66
    >>> priority("low", criticality=1, system_level=1)
    14
    """
    base = BASE[Severity(severity)] if severity in list(Severity) else BASE[Severity.MEDIUM]
    factor = ASSET_FACTOR.get(criticality, 1.0) * LEVEL_FACTOR.get(system_level, 1.0)
    return min(100, round(base * factor))
