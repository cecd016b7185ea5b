"""Bring the catalogues up to date with the templates, and name what is not yet translated.

Run ``python -m soc.console.locales`` after a change of words in a template; then fill the empty entries of
``vi/LC_MESSAGES/console.po``. English is the language of the templates, so its catalogue fills itself. Exit code 1
means that a translation is missing. Nothing is compiled: the console reads the ``.po`` files when it starts.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from soc.console.translation import DOMAIN, LANGUAGES, catalogue_path

CONSOLE = Path(__file__).parents[1]
METHODS = [("templates/**.html", "jinja2.ext:babel_extract"), ("pages/**.py", "python")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
IDLE = tuple(
    f'"{name}'.encode()
    for name in (
        "Project-Id", "Report-Msgid", "POT-Creation", "PO-Revision", "Last-Tr", "Language-Team",
        "Generated-By",
    )
)  # fmt: skip
OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}


def used() -> Catalog:
    """Every message that a template or page uses."""
    found = Catalog(domain=DOMAIN)
    messages = extract_from_dir(
        CONSOLE, method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS, strip_comment_tags=True
    )
    for path, _, message, comments, context in messages:
        found.add(message, None, [(path, 0)], auto_comments=comments, context=context)
    return found


def load(language: str) -> Catalog:
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language, domain=DOMAIN)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def updated(language: str, wanted: Catalog) -> Catalog:
    """The catalogue with exactly the messages in use; nothing is guessed from similar ones."""
    catalogue = load(language)
    catalogue.update(wanted, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    if language == "en":
        for message in catalogue:
            if message.id:
                message.string = message.id
    return catalogue


def untranslated(catalogue: Catalog) -> list[Message]:
    """Messages without words in some plural form."""
    return [message for message in catalogue if message.id and not _whole(message, catalogue)]


def _whole(message: Message, catalogue: Catalog) -> bool:
    if isinstance(message.id, tuple):
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        return len(strings) >= catalogue.num_plurals and all(strings)
    return bool(message.string)


def written(catalogue: Catalog) -> bytes:
    """The file's bytes, without the lines of the header that change by themselves or say nothing."""
    catalogue.fuzzy = False
    catalogue.header_comment = f"# Words of the console, {catalogue.locale_identifier}."
    text = io.BytesIO()
    write_po(text, catalogue, width=110, sort_output=True, no_location=True)
    kept = [line for line in text.getvalue().splitlines() if not line.startswith(IDLE)]
    return b"\n".join(kept) + b"\n"


def main() -> int:
    wanted, missing = used(), 0
    for language in LANGUAGES:
        catalogue = updated(language, wanted)
        path = catalogue_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalogue))
        for message in untranslated(catalogue):
            missing += 1
            print(f"{path}: not translated: {message.id!r}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
