"""The queries of the runbooks are valid PromQL, and their metrics exist."""

import html
import re
import subprocess
from pathlib import Path

import yaml

from exporter import names
from exporter.rule_files import alerts
from exporter.runbooks import files, pages
from exporter.runbooks.pages import QueryLinks, Rendered, render
from exporter.taxonomy.loader import load
from tests import rule_groups
from tests.dashboards.shipped import metrics


def queries(*runbooks: Rendered) -> list[str]:
    text = "".join(runbook.first + runbook.rest for runbook in runbooks)
    codes = re.findall(r'<code id="[\w-]+">(.*?)</code>', text, re.DOTALL)
    return [html.unescape(code) for code in codes]


OF_CODES = {
    (code.system, code.code): queries(*pages.of_code(system, code, (), QueryLinks()))
    for system in load().systems.values()
    for code in (*system.codes, system.unknown)
}
OF_ALERTS = [queries(pages.of_alert(alert.name, QueryLinks())) for alert in alerts()]
DEFAULT = (files.shipped() / "default.md").read_text()
OF_DEFAULT = queries(render(DEFAULT, (("system", "acme"), ("code", "07")), QueryLinks()))
QUERIES = sorted({*OF_DEFAULT}.union(*OF_CODES.values(), *OF_ALERTS))
OF_PROMETHEUS = {
    *("up", "scrape_duration_seconds", "ALERTS"),
    *("alertmanager_notifications_failed_total", "prometheus_notifications_errors_total"),
}


def test_promtool_accepts_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"runbook:{i}", "expr": query} for i, query in enumerate(QUERIES)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(QUERIES)} rules found" in done.stdout


def test_every_metric_of_a_query_exists() -> None:
    known = {value for key, value in vars(names).items() if key.isupper() and key[0] != "_"}
    known |= {f"{value}_bucket" for value in known if str(value).endswith("_seconds")}
    known |= rule_groups.recording().keys()
    used = set().union(*map(metrics, QUERIES))
    assert len(used) > 25
    assert used - known == OF_PROMETHEUS


def test_queries_select_their_system() -> None:
    assert [query for query in QUERIES if "{system}" in query or "{code}" in query] == []
    for (system, _), queries_of_code in OF_CODES.items():
        assert {*re.findall(r'system="([^"]*)"', " ".join(queries_of_code))} == {system}
