"""``soc rules convert``: rules as Elasticsearch queries."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Mapping(StrEnum):
    """Field names of the queries."""

    ecs = "ecs"
    native = "native"
    audit = "audit"


class Form(StrEnum):
    """Language of the queries."""

    lucene = "lucene"
    dsl = "dsl"
    kibana = "kibana"
    eql = "eql"
    esql = "esql"


def command(
    rules: Annotated[list[Path], typer.Argument(help="Rule files or folders.")],
    mapping: Annotated[
        Mapping, typer.Option(help="Field names: ECS, Sigma's own, or those without Sysmon.")
    ] = Mapping.ecs,
    form: Annotated[Form, typer.Option(help="Query language.")] = Form.lucene,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Convert rules to Elasticsearch queries. Exit code 1 if a rule cannot be converted; it is named.

    Example: soc rules convert rules/windows --form esql
    """
    import orjson

    from soc.detect.sigma_queries import convert

    failed = False
    for one in convert(rules, mapping=mapping.value, form=form.value):
        failed = failed or not one.queries
        if json:
            row = {"rule_id": one.rule_id, "title": one.title, "queries": one.queries}
            typer.echo(orjson.dumps(row | {"reason": one.reason}).decode())
            continue
        if not one.queries:
            typer.echo(f"soc rules: {one.path}: {one.title}: {one.reason}", err=True)
        for query in one.queries:
            text = query if isinstance(query, str) else orjson.dumps(query).decode()
            typer.echo(text if form is Form.kibana else f"{one.rule_id}\t{text}")
    if failed:
        raise typer.Exit(1)
