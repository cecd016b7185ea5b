"""The one case folding, applied before both stores and to every query.

Lucene and tantivy lower-case differently (``İ`` is one case), so neither is trusted with it. Decided here:

- Text is brought to NFC first, so a Vietnamese word typed as letters with combining marks equals the composed
  word. Marks are kept: ``mã`` is not ``ma``; ``Đ`` folds to ``đ``, which is not ``d``.
- Each character then becomes **one** character, by Unicode's simple mappings, so ``?`` in a wildcard still
  means one character: ``ß`` stays ``ß`` and is not ``ss``; every sigma is ``σ``; the Kelvin sign is ``k``.
- ``İ`` folds to ``i``, as in Java. ``ı`` stays itself: to Windows it is another letter than ``i``, and a file
  so named is another file.
- Full width letters fold to small full width letters, not to ASCII: they too name other files.
"""

from __future__ import annotations

import re
import unicodedata

ODD = str.maketrans(
    "µİſ\u0345Σςϐϑϕϖϰϱϵᲀᲁᲂᲃᲄᲅᲆᲇᲈẛ\u1fbe",
    "μisισσβθφπκρεвдосттъѣꙋṡι",
)
"""Characters whose caseless form is not what ``str.lower`` gives (a test derives the table from Unicode)."""
ODD_CHARACTER = re.compile("[" + "".join(map(chr, ODD)) + "]")


def fold(text: str) -> str:
    """The caseless form of a text; equal forms are equal texts to search and store.

    >>> fold("PowerShell.EXE"), fold("TRẦN PHÚ"), fold("İSTANBUL"), fold("ＡＢＣ")
    ('powershell.exe', 'trần phú', 'istanbul', 'ａｂｃ')
    """
    if text.isascii():
        return text.lower()
    composed = unicodedata.normalize("NFC", text)
    if ODD_CHARACTER.search(composed):
        composed = composed.translate(ODD)
    return unicodedata.normalize("NFC", composed.lower())
