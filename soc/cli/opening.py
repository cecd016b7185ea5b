"""What the small verbs of the command line open: the site's database, in the name of who runs the command."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from soc.errors import SettingsError

if TYPE_CHECKING:
    from soc.model.scope import Scope
    from soc.records.database import Database


def site_database() -> Database:
    """The database of the site that the settings name, its tables brought up to date.

    Raises:
        SettingsError: there is no site.
    """
    from soc.records.database import Database
    from soc.records.migrate import upgrade
    from soc.site import load_settings

    settings = load_settings()
    if settings.database_url.startswith("sqlite:///") and not settings.home.is_dir():
        raise SettingsError(
            f"there is no site in {settings.home}: start one with `soc up`, or set SOC_HOME"
        )
    upgrade(settings.database_url)
    return Database(settings.database_url)


def operator() -> Scope:
    """The whole province, in the name of the person at the keyboard: who may read the database may do all."""
    from soc.model.scope import Scope

    return Scope.province(f"cli:{getpass.getuser()}"[:80])
