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
    """The labels of each series by metric name."""
    registry = CollectorRegistry()
    registry.register(TaxonomyCollector(taxonomy, RUNBOOKS, GRAFANA))
    samples = [
        sample
        for family in text_string_to_metric_families(render(registry, None)[0].decode())
        for sample in family.samples
    ]
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


def test_the_words_are_series_of_1() -> None:
    registry = CollectorRegistry()
    registry.register(TaxonomyCollector(two_systems(), RUNBOOKS, GRAFANA))
    values = {
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name != names.SESSION_END_OBJECTIVE
    }
    assert values == {1}


def test_objective_and_spike_floor_have_the_taxonomys_numbers() -> None:
    (system, *_) = two_systems().systems.values()
    code = replace(system.codes[0], spike_floor=8.0)
    taxonomy = Taxonomy({system.system: replace(system, codes=(code,), objective=0.9)})
    registry = CollectorRegistry()
    registry.register(TaxonomyCollector(taxonomy, RUNBOOKS, GRAFANA))
    by_system = {"system": system.system}
    assert registry.get_sample_value(names.SESSION_END_OBJECTIVE, by_system) == 0.9
    by_code = by_system | {"code": code.code}
    assert registry.get_sample_value(names.SESSION_END_SPIKE_FLOOR, by_code) == 8
    unknown = by_system | {"code": "unknown"}
    assert registry.get_sample_value(names.SESSION_END_SPIKE_FLOOR, unknown) is None
