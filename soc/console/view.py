"""Templates in the reader's language: one environment a language, and what every page knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from soc.access.roles import Roles
from soc.console import queries, toasts
from soc.console.assets import Assets
from soc.console.deps import SignedIn, language_of, theme_of
from soc.console.formats import Formats, pretty, without_direction_tricks
from soc.console.parts import parts_of
from soc.console.translation import LANGUAGES, translations

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGE_COOKIE = "soc_language"
THEME_COOKIE = "soc_theme"


@dataclass(frozen=True)
class Views:
    """The templates of the console, ready in each language."""

    assets: Assets
    zone: str
    roles: Roles

    @cached_property
    def environments(self) -> Mapping[str, Environment]:
        return {language: self._environment(language) for language in LANGUAGES}

    def _environment(self, language: str) -> Environment:
        made = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            finalize=_shown,
            extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # added by the extension
        made.filters.update(Formats.of(language, self.zone).filters())
        made.filters["pretty"] = pretty
        made.globals.update(
            lang=language,
            asset=self.assets.url,
            titled=_titled(language),
            role_title=self.role_title,
            term=queries.term,
            both=queries.both,
            without=queries.without,
            search_address=queries.search_address,
            with_open=queries.with_open,
        )
        return made

    def role_title(self, role: str, language: str) -> str:
        """What people call a role."""
        if role not in self.roles:
            return role
        found = self.roles.get(role)
        return found.title_vi if language == "vi" else found.title

    def text(self, language: str, name: str, context: Mapping[str, Any]) -> str:
        return self.environments[language].get_template(name).render(context)


def _shown(value: Any) -> Any:
    """Every text that a template prints; what is already markup stays."""
    return without_direction_tricks(value) if type(value) is str else value


def _titled(language: str) -> Any:
    """The title of a row or mapping in the language, where it has one."""

    def titled(thing: Any) -> str:
        read = thing.get if isinstance(thing, Mapping) else lambda name: getattr(thing, name, "")
        return str((read("title_vi") if language == "vi" else "") or read("title") or "")

    return titled


def render(
    request: Request,
    name: str,
    who: SignedIn | None = None,
    *,
    status: int = 200,
    **context: Any,
) -> HTMLResponse:
    """A page or fragment for ``who`` (None: not signed in). Shows a waiting toast once."""
    parts = parts_of(request)
    views: Views = request.app.state.views
    language = language_of(request)
    fragment = "HX-Request" in request.headers
    toast = None if fragment or who is None else toasts.waiting(request)
    shared = {
        "status": status,
        "user": who,
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "theme": theme_of(request),
        "now": parts.clock(),
        "toast": toast,
        "counts": None if fragment or who is None else parts.situation.counts(who.scope),
        "single_keys": who.single_keys if who else True,
    }
    page = views.text(language, name, shared | context)
    response = HTMLResponse(page, status)
    response.headers["Content-Language"] = language
    if toast is not None:
        toasts.forget(response)
    return response
