"""The queries of the runbooks are valid PromQL, and their metrics exist."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from exporter import names
from exporter.rule_files import alerts, folder
from exporter.runbooks import files, pages
from exporter.runbooks.render import queries
from exporter.taxonomy.loader import load

TAXONOMY = load()
OF_CODES = {
    f"{code.system}-{code.code}": [
        query
        for path in (files.of_code(system, code), files.shipped() / "diagnosis.md")
        for query in queries(
            (path or files.shipped() / "default.md").read_text(), pages.values(code)
        )
    ]
    for system in TAXONOMY.systems.values()
    for code in (*system.codes, system.unknown)
}
OF_ALERTS = {
    alert.name: list(queries(files.of_alert(alert.name).read_text(), ())) for alert in alerts()
}
OF_DEFAULT = queries(
    (files.shipped() / "default.md").read_text(), (("system", "acme"), ("code", "07"))
)
QUERIES = sorted({*OF_DEFAULT}.union(*OF_CODES.values(), *OF_ALERTS.values()))
OF_PROMETHEUS = {"up", "scrape_duration_seconds", "ALERTS"}


def metrics_of(node: Any) -> Iterator[str]:
    """The names of the series that an expression reads."""
    if isinstance(node, promql_parser.VectorSelector):
        yield str(node.name)
    for part in ("expr", "lhs", "rhs", "param", "vector_selector"):
        if (child := getattr(node, part, None)) is not None:
            yield from metrics_of(child)
    if isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from metrics_of(argument)


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
    known |= {
        rule["record"]
        for path in folder().glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    used = {name for query in QUERIES for name in metrics_of(promql_parser.parse(query))}
    assert len(used) > 25
    assert used - known == OF_PROMETHEUS


def test_queries_select_their_system() -> None:
    assert [query for query in QUERIES if "{system}" in query or "{code}" in query] == []
    for page, queries_of_page in OF_CODES.items():
        systems = {
            name for query in queries_of_page for name in re.findall(r'system="([^"]*)"', query)
        }
        assert systems == {page.partition("-")[0]}
