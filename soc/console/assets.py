"""The bundled scripts, styles and icons: hashed names from the manifest, served for a year."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope as AsgiScope

from soc.errors import SettingsError

HOME = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Assets:
    """Names as the templates know them to names with their hash."""

    names: dict[str, str]

    @classmethod
    def load(cls, home: Path = HOME) -> Assets:
        """Read the manifest.

        Raises:
            SettingsError: the assets were not built.
        """
        try:
            return cls(json.loads((home / "manifest.json").read_text("utf-8")))
        except FileNotFoundError as error:
            raise SettingsError(
                f"the console's assets are missing in {home}: run `make install`, or"
                " `npm ci --ignore-scripts && npm run build` in web/ (Node 18 or newer)"
            ) from error

    def url(self, name: str) -> str:
        return f"/static/{self.names[name]}"


class HashedFiles(StaticFiles):
    """Static files whose names change with their content, so that a browser may keep them for ever."""

    async def get_response(self, path: str, scope: AsgiScope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["Cache-Control"] = FOR_EVER
        return response
