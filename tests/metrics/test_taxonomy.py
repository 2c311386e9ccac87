"""The taxonomy's series, as a scrape exports them."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from exporter import names
from exporter.metrics.exposition import render
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.taxonomy import loader
from exporter.taxonomy.model import Code, System, Taxonomy
from tests.metrics.still_ledger import two_systems

RUNBOOKS = "https://ops.example"
GRAFANA = "https://grafana.example"


def scrape(taxonomy: Taxonomy) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and value of each series by metric name."""
    registry = CollectorRegistry()
    registry.register(TaxonomyCollector(taxonomy, RUNBOOKS, GRAFANA))
    series = defaultdict(list)
    for family in text_string_to_metric_families(render(registry, "")[0].decode()):
        for sample in family.samples:
            series[sample.name].append((sample.labels, sample.value))
    return series


def one_code(objective: float = 0.5, **fields: Any) -> tuple[Code, Taxonomy]:
    """A code with other fields, and a taxonomy with this code only."""
    system: System = two_systems().systems["alpha"]
    code = replace(system.codes[0], **fields)
    return code, Taxonomy({"alpha": replace(system, codes=(code,), objective=objective)})


def test_info_and_help_have_every_code_and_links_the_base_urls() -> None:
    taxonomy = two_systems()
    codes = [
        (system.system, code.code)
        for system in taxonomy.systems.values()
        for code in system.all_codes
    ]
    series = scrape(taxonomy)
    for name in (names.SESSION_END_CODE_INFO, names.SESSION_END_CODE_HELP):
        assert [(labels["system"], labels["code"]) for labels, _ in series[name]] == codes
        assert {value for _, value in series[name]} == {1}
    assert series[names.LINKS_INFO] == [({"runbooks": RUNBOOKS, "dashboards": GRAFANA}, 1)]


def test_info_objective_and_spike_floor_have_the_fields_of_a_code() -> None:
    code, taxonomy = one_code(0.9, planned=True, spike_floor=8.0)
    series = scrape(taxonomy)
    labels, _ = series[names.SESSION_END_CODE_INFO][0]
    fields = ("system", "code", "name", "phase", "category", "outcome", "owner", "severity")
    assert labels == {field: str(getattr(code, field)) for field in fields} | {"planned": "true"}
    assert series[names.SESSION_END_OBJECTIVE] == [({"system": "alpha"}, 0.9)]
    labels = {"system": "alpha", "code": code.code}
    assert series[names.SESSION_END_SPIKE_FLOOR] == [(labels, 8)]


def test_categories_have_their_titles() -> None:
    rows = scrape(loader.load())[names.SESSION_END_CATEGORY_INFO]
    shown = {(row["system"], row["category"]): row["title"] for row, _ in rows}
    assert shown["streampixel", "policy"] == "Policy and limits"
