"""Statements of SQL as ECS fields: what a statement does, told by its first words."""

from __future__ import annotations

import re
from functools import lru_cache

from soc.model.event import Fields

FIRST = re.compile(
    r"(?:\s|/\*(?:[^*]|\*(?!/)){0,500}\*/|--[^\n]{0,200}\n|\(){0,20}(?P<verb>[A-Za-z]{2,20})(?:\s{1,10}(?P<what>[A-Za-z]{2,20}))?"
)
KINDS = {
    **dict.fromkeys(("select", "with", "show", "explain", "fetch", "table", "describe", "desc", "values"), "access"),
    **dict.fromkeys(
        ("insert", "update", "merge", "replace", "alter", "grant", "revoke", "copy", "load", "rename", "comment",
         "set", "call", "execute", "do", "vacuum", "analyze", "reindex", "lock", "import", "flush", "reset", "handler"),
        "change"),
    "create": "creation", "delete": "deletion", "drop": "deletion", "truncate": "deletion",
}  # fmt: skip
ACCOUNTS = frozenset({"user", "role", "login", "group"})
LONGEST = 8_000  # characters of a statement that are kept as a field


@lru_cache(maxsize=8_192)
def _does(start: str) -> tuple[str, str, bool]:
    found = FIRST.match(start)
    if found is None:
        return "", "", False
    verb, what = found["verb"].lower(), (found["what"] or "").lower()
    kind = KINDS.get(verb, "")
    action = f"{verb}-{what}" if verb in ("create", "drop", "alter", "truncate") and what else verb
    about_accounts = verb in ("grant", "revoke") or (
        verb in ("create", "drop", "alter") and what in ACCOUNTS
    )
    return (action if kind else ""), kind, about_accounts


def add_statement(fields: Fields, statement: str, namespace: str) -> None:
    """What the statement does, and the statement.

    >>> fields: Fields = {}
    >>> add_statement(fields, "DROP TABLE ho_so", "postgresql")
    >>> fields["event.action"], fields["event.type"], fields["postgresql.query"]
    ('drop-table', ['deletion'], 'DROP TABLE ho_so')
    """
    text = statement.strip()
    if not text:
        return
    fields[f"{namespace}.query"] = text[:LONGEST]
    action, kind, about_accounts = _does(text[:120])
    fields["event.category"] = ["database", "iam"] if about_accounts else ["database"]
    fields["event.type"] = [kind or "info"]
    if action:
        fields["event.action"] = action
