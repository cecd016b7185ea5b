"""Words in Vietnamese and English, read from the gettext catalogues when the console starts."""

from __future__ import annotations

import gettext
import io
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("vi", "en")
HOME = Path(__file__).parent / "locales"
DOMAIN = "console"


def catalogue_path(language: str) -> Path:
    """Where the ``.po`` of a language stands."""
    return HOME / language / "LC_MESSAGES" / f"{DOMAIN}.po"


@cache
def translations(language: str) -> gettext.GNUTranslations:
    """The catalogue of ``vi`` or ``en``, compiled in memory: no ``.mo`` file is needed.

    Raises:
        KeyError: another language.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    with catalogue_path(language).open("rb") as file:
        catalogue = read_po(file, locale=language, domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
