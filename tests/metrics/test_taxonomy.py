"""The taxonomy's words, as a scrape brings them."""

from dataclasses import replace

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from exporter import names
from exporter.metrics.exposition import render
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.taxonomy.model import Taxonomy
from tests.metrics.still_ledger import two_systems

RUNBOOKS = "https://ops.example"
GRAFANA = "https://grafana.example"


def scraped(taxonomy: Taxonomy) -> dict[str, list[dict[str, str]]]:
    """The labels of each series by metric name; every value is 1."""
    registry = CollectorRegistry()
    registry.register(TaxonomyCollector(taxonomy, RUNBOOKS, GRAFANA))
    samples = [
        sample
        for family in text_string_to_metric_families(render(registry, None)[0].decode())
        for sample in family.samples
    ]
    assert {sample.value for sample in samples} == {1}
    by_name: dict[str, list[dict[str, str]]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample.labels)
    return by_name


def test_info_and_help_have_every_code_and_unknown_once() -> None:
    taxonomy = two_systems()
    expected = [
        (system.system, code.code)
        for system in taxonomy.systems.values()
        for code in (*system.codes, system.unknown)
    ]
    shown = scraped(taxonomy)
    for name in (names.SESSION_END_CODE_INFO, names.SESSION_END_CODE_HELP):
        assert [(labels["system"], labels["code"]) for labels in shown[name]] == expected


def test_info_has_severity_and_planned_of_a_code() -> None:
    (system, *_) = two_systems().systems.values()
    code = replace(system.codes[0], planned=True)
    planned = replace(system, codes=(code,))
    labels = scraped(Taxonomy({system.system: planned}))[names.SESSION_END_CODE_INFO][0]
    assert labels == {
        "system": code.system,
        "code": code.code,
        "name": code.name,
        "phase": code.phase,
        "category": code.category,
        "outcome": code.outcome.value,
        "owner": code.owner.value,
        "severity": code.severity.value,
        "planned": "true",
    }


def test_help_texts_survive_the_exposition_format() -> None:
    (system, *_) = two_systems().systems.values()
    text = 'a "quote", a \\ backslash\nand {{ braces }} <b>'
    quoted = replace(system, codes=(replace(system.codes[0], causes=text, fix=text),))
    labels = scraped(Taxonomy({system.system: quoted}))[names.SESSION_END_CODE_HELP][0]
    assert (labels["causes"], labels["fix"]) == (text, text)


def test_links_are_the_base_urls() -> None:
    (links,) = scraped(two_systems())[names.LINKS_INFO]
    assert links == {"runbooks": RUNBOOKS, "dashboards": GRAFANA}
