"""Bring the tables of a database to this version of the platform, or write the next revision.

``python -m soc.records.migrate revise MESSAGE`` writes ``migrations/versions/NNNN_message.py`` from what the row
classes say and the revisions before do not; ``python -m soc.records.migrate upgrade URL`` does by hand what ``soc up``
does at each start.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import soc.records.tables  # noqa: F401  (registers every table)
from soc.records.database import Base, Database

HERE = Path(__file__).parent / "migrations"
ALEMBICS_REMARKS = re.compile(r"^ +# ### .*\n", re.MULTILINE)


def upgrade(url: str) -> str:
    """Upgrade the database at ``url`` to the newest revision, in one transaction; returns the revision."""
    with _connection(url) as connection:
        command.upgrade(_config(connection), "head")
        return current(connection)


def current(connection: Connection) -> str:
    """The revision of a database; empty before the first."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def differences(url: str) -> list[str]:
    """What the row classes say and the database has not, as text; none after an upgrade."""
    with _connection(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [repr(each) for each in compare_metadata(context, Base.metadata)]


def revise(message: str) -> list[Path]:
    """Write the next revision from the differences to an empty database at the newest revision."""
    with _connection("sqlite://") as connection:
        config = _config(connection)
        scripts = ScriptDirectory.from_config(config)
        command.upgrade(config, "head")
        number = f"{len(list(scripts.walk_revisions())) + 1:04d}"
        made = command.revision(
            config,
            message,
            autogenerate=True,
            rev_id=number,
        )
    scripts_made = made if isinstance(made, list) else [made]
    paths = [Path(script.path) for script in scripts_made if script is not None]
    for path in paths:
        path.write_text(ALEMBICS_REMARKS.sub("", path.read_text("utf-8")), "utf-8")
    return paths


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    """One transaction, begun as a writer."""
    database = Database(url)
    try:
        engine = database.engine.execution_options(soc_write=True)
        with engine.begin() as connection:
            yield connection
    finally:
        database.close()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soc.records.migrate", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("revise").add_argument("message")
    verbs.add_parser("upgrade").add_argument("url")
    chosen = parser.parse_args()
    if chosen.verb == "upgrade":
        print(upgrade(chosen.url))
        return
    if not re.fullmatch(r"[a-z0-9 ]{3,60}", chosen.message):
        parser.error("a message has 3-60 small letters, digits and blanks")
    for path in revise(chosen.message):
        print(path)


if __name__ == "__main__":
    _main()
