"""The real door over a real Elasticsearch node: ship, lose the cluster, kill the door, and count."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from soc.store.elastic.cluster import Account
from soc.store.elastic.store import ElasticStore, Layout
from tests.elastic_node.gate import Answer, Pass, error_body, gate
from tests.flow.real_processes import PROVINCE, ROOT, Site, wait_for
from tests.store.events import MONTHS

pytestmark = [pytest.mark.elastic, pytest.mark.slow]

PREFIX = "flowtest"
SETTINGS = {"SOC_ELASTICSEARCH_PREFIX": PREFIX, "SOC_ELASTICSEARCH_REPLICAS": "0"}


def line(number: int) -> bytes:
    fields = {"@timestamp": "2026-11-22T03:00:00Z", "process.command_line": f"marked {number}"}
    return json.dumps(fields).encode() + b"\n"


def acknowledged(site: Site) -> int:
    connection = site.reading()
    try:
        row = connection.execute("SELECT sum(records) FROM streams WHERE name LIKE 'file:%'")
        return int(row.fetchone()[0] or 0)
    finally:
        connection.close()


def test_nothing_is_lost_or_doubled_while_the_cluster_is_away_and_the_door_is_killed(
    elastic_url: str, tmp_path: Path
):
    away: list[str] = []
    store = ElasticStore(
        Account(elastic_url), months=MONTHS, writable=True, layout=Layout(PREFIX, refresh=True)
    )

    def judge(path: str, body: bytes, ask: Pass) -> Answer:
        if away and path.startswith("/_bulk") and away[0] == "answer lost":
            ask(body)  # stored, and the door never hears of it
        return (503, error_body("unavailable", "no master")) if away else ask(body)

    with gate(elastic_url, judge) as url:
        site = Site.prepare(tmp_path / "site", SOC_ELASTICSEARCH=url, **SETTINGS)
        log = tmp_path / "app.log"
        try:
            site.start_door()
            site.wait_for_door()
            agent = site.enrol(
                "one", [{"kind": "file", "paths": [str(log)], "source": "json_lines"}]
            )
            site.start_agent(agent)
            log.write_bytes(b"".join(line(n) for n in range(200)))
            wait_for("the first records", lambda: acknowledged(site) >= 200)
            away.append("answer lost")
            with log.open("ab") as file:
                file.writelines(line(n) for n in range(200, 400))
            wait_for("the events that nobody heard of", lambda: store.count(PROVINCE, "") >= 201)
            assert acknowledged(site) == 200
            site.kill_door()
            site.start_door()
            away.clear()
            wait_for("all records", lambda: acknowledged(site) >= 400)
        finally:
            site.stop()
    found = Counter(
        str(one.fields["process.command_line"]) for one in store.scan(PROVINCE, "marked")
    )
    shown = subprocess.run(
        [sys.executable, "-m", "soc.cli.main", "search", "marked AND 399", "--since", "90d"],
        cwd=ROOT,
        env={"SOC_HOME": str(tmp_path), "SOC_ELASTICSEARCH": elastic_url, **SETTINGS},
        capture_output=True,
        check=False,
    )
    with store._cluster.doing("the test's indices cannot be dropped") as client:
        for index in client.indices.get_alias(index=f"{PREFIX}-*").body:
            client.indices.delete(index=index)
    store.close()
    assert found == {f"marked {n}": 1 for n in range(400)}
    assert b"marked 399" in shown.stdout, shown.stderr
