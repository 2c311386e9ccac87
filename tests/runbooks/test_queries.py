"""The queries of the runbooks: promtool reads them, and each asks what its page is about."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter import names
from exporter.rule_files import alerts, folder
from exporter.runbooks.loader import load as load_library
from exporter.runbooks.page import RunbookPage, page_of, page_of_alert
from exporter.runbooks.queries import BUILDERS, SCRAPE_DURATION, UP
from exporter.taxonomy.loader import load

TAXONOMY = load()
CODE_PAGES = {
    (code.system, code.code): page_of(TAXONOMY, code.system, code.code)
    for system in TAXONOMY.systems.values()
    for code in (*system.codes, system.unknown)
}
PAGES = [*CODE_PAGES.values(), *(page_of_alert(TAXONOMY, alert) for alert in alerts())]

WORDS_OF_PROMQL = {
    "offset",
    "on",
    "by",
    "without",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
}


def queries_of(page: RunbookPage) -> list[str]:
    return [query for diagnosis in page.diagnosis for query in diagnosis.queries]


def test_promtool_reads_every_query(tmp_path: Path) -> None:
    found = sorted({query for page in PAGES for query in queries_of(page)})
    rules = [{"record": f"runbook:{place}", "expr": query} for place, query in enumerate(found)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(found)} rules found" in done.stdout


def test_every_metric_that_a_query_names_is_one_of_ours_or_of_a_scrape() -> None:
    metrics = {value for key, value in vars(names).items() if key.isupper() and key[0] != "_"}
    metrics |= {f"{value}_bucket" for value in metrics if str(value).endswith("_seconds")}
    recorded = {
        rule["record"]
        for path in folder().glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    named = {name for page in PAGES for query in queries_of(page) for name in metrics_in(query)}
    assert named - recorded - metrics == {UP, SCRAPE_DURATION}
    assert {name for name in named if ":" in name} <= recorded


def metrics_in(query: str) -> set[str]:
    """The metric names of a query: words that are no function, label, duration, comment or string."""
    bare = re.sub(r"#.*|\"(\\.|[^\"\\])*\"", "", query)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|group_left)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"(?<![\w:])[A-Za-z_:][\w:]*(?![\w:]|\s*\()", bare)
    return set(words) - WORDS_OF_PROMQL - {"sum", "max", "count", "topk"}


@pytest.mark.parametrize(("system", "code"), CODE_PAGES)
def test_queries_ask_about_the_code_whose_page_it_is(system: str, code: str) -> None:
    asked = [query for query in queries_of(CODE_PAGES[system, code]) if 'system="' in query]
    assert asked
    assert all(f'system="{system}"' in query for query in asked)
    if code not in ("none", "1000"):
        assert sum(f'code="{code}"' in query for query in asked) >= 4


def test_every_question_of_the_yaml_has_a_query_and_the_reverse() -> None:
    assert set(load_library(TAXONOMY).questions) == set(BUILDERS)


def test_every_question_is_asked_on_some_page() -> None:
    asked = {diagnosis.title for page in PAGES for diagnosis in page.diagnosis}
    assert {question.title for question in load_library(TAXONOMY).questions.values()} == asked
