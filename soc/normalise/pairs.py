"""Pairs such as ``srcip=10.0.0.1 msg="two words"``, as network devices write them.

The expression looks at each character once, whatever it is fed: names are not tried from their middle, and what was
read is not given back.
"""

from __future__ import annotations

import re

PAIR = re.compile(
    r'(?<![\w.-])([A-Za-z_][\w.-]{0,63})=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\s"]*+))', re.DOTALL
)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
MOST = 500  # pairs of a line


def quoted_pairs(text: str, start: int = 0) -> dict[str, str]:
    r"""Names and values; a value with spaces stands in double quotes, ``\"`` is a quote within them.

    The last of equal names wins, and what follows the first 500 pairs is left out.

    >>> quoted_pairs(r'a=1 b="two \"words\"" c= d="cut off')
    {'a': '1', 'b': 'two "words"', 'c': '', 'd': ''}
    """
    return {
        name: ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted or bare
        for name, quoted, bare in PAIR.findall(text, start)[:MOST]
    }
