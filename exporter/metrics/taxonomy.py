"""The taxonomy's words as series: rules, dashboards and notifications read them from Prometheus."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.taxonomy.model import Code, Taxonomy


class TaxonomyCollector(Collector):
    """A prometheus-client collector of series that stay the same while the process lives.

    `runbooks` and `dashboards` are the base URLs that notifications link to; `dashboards` may be "".
    """

    def __init__(self, taxonomy: Taxonomy, runbooks: str, dashboards: str) -> None:
        codes = [
            code for system in taxonomy.systems.values() for code in (*system.codes, system.unknown)
        ]
        self._families = (
            _info(codes),
            _help(codes),
            _objectives(taxonomy),
            _spike_floors(codes),
            _links(runbooks, dashboards),
        )

    def collect(self) -> Iterable[Metric]:
        return self._families


def _info(codes: Iterable[Code]) -> Metric:
    metric = InfoMetricFamily(
        names.SESSION_END_CODE_INFO.removesuffix("_info"),
        "What a code is called, where it belongs, who acts on it, and what a spike of it does.",
    )
    for code in codes:
        metric.add_metric(
            (),
            {
                names.SYSTEM: code.system,
                names.CODE: code.code,
                names.NAME: code.name,
                names.PHASE: code.phase,
                names.CATEGORY: code.category,
                names.OUTCOME: code.outcome.value,
                names.OWNER: code.owner.value,
                names.SEVERITY: code.severity.value,
                names.PLANNED: "true" if code.planned else "false",
            },
        )
    return metric


def _help(codes: Iterable[Code]) -> Metric:
    metric = GaugeMetricFamily(
        names.SESSION_END_CODE_HELP,
        "The causes of a code and how to fix them, as texts for notifications.",
        labels=(names.SYSTEM, names.CODE, names.CAUSES, names.FIX),
    )
    for code in codes:
        metric.add_metric((code.system, code.code, code.causes, code.fix), 1)
    return metric


def _objectives(taxonomy: Taxonomy) -> Metric:
    metric = GaugeMetricFamily(
        names.SESSION_END_OBJECTIVE,
        "The part of success / (success + failure) that a system is to reach.",
        labels=(names.SYSTEM,),
    )
    for name, system in taxonomy.systems.items():
        metric.add_metric((name,), system.objective)
    return metric


def _spike_floors(codes: Iterable[Code]) -> Metric:
    metric = GaugeMetricFamily(
        names.SESSION_END_SPIKE_FLOOR,
        "The least count of ends in 5 minutes that can be a spike, of codes whose taxonomy sets it.",
        labels=(names.SYSTEM, names.CODE),
    )
    for code in codes:
        if code.spike_floor is not None:
            metric.add_metric((code.system, code.code), code.spike_floor)
    return metric


def _links(runbooks: str, dashboards: str) -> Metric:
    return InfoMetricFamily(
        names.LINKS_INFO.removesuffix("_info"),
        "Base URLs that notifications link to.",
        {names.RUNBOOKS: runbooks, names.DASHBOARDS: dashboards},
    )
