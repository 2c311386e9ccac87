"""The taxonomy as series: rules, dashboards and notifications read its texts from Prometheus."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.taxonomy.model import Code, Taxonomy


class TaxonomyCollector(Collector):
    """Exports series that never change while the process runs.

    `runbooks` and `dashboards` are the base URLs of links in notifications; `dashboards` may be "".
    """

    def __init__(self, taxonomy: Taxonomy, runbooks: str, dashboards: str) -> None:
        systems = taxonomy.systems
        codes = [code for system in systems.values() for code in (*system.codes, system.unknown)]
        objective = GaugeMetricFamily(
            names.SESSION_END_OBJECTIVE,
            "The part of success / (success + failure) that a system is to reach.",
            labels=(names.SYSTEM,),
        )
        for name, system in systems.items():
            objective.add_metric((name,), system.objective)
        help_texts = GaugeMetricFamily(
            names.SESSION_END_CODE_HELP,
            "The causes of a code and how to fix them, as texts for notifications.",
            labels=(names.SYSTEM, names.CODE, names.CAUSES, names.FIX),
        )
        spike_floor = GaugeMetricFamily(
            names.SESSION_END_SPIKE_FLOOR,
            "The least count of ends in 5 minutes that can be a spike, of codes whose taxonomy sets it.",
            labels=(names.SYSTEM, names.CODE),
        )
        for code in codes:
            help_texts.add_metric((code.system, code.code, code.causes, code.fix), 1)
            if code.spike_floor is not None:
                spike_floor.add_metric((code.system, code.code), code.spike_floor)
        links = InfoMetricFamily(
            names.LINKS_INFO.removesuffix("_info"),
            "Base URLs that notifications link to.",
            {names.RUNBOOKS: runbooks, names.DASHBOARDS: dashboards},
        )
        self._families = (_info(codes), help_texts, objective, spike_floor, links)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _info(codes: Iterable[Code]) -> Metric:
    metric = InfoMetricFamily(
        names.SESSION_END_CODE_INFO.removesuffix("_info"),
        "What a code is called, where it belongs, who acts on it, and what a spike of it does.",
    )
    for code in codes:
        labels = {
            names.SYSTEM: code.system,
            names.CODE: code.code,
            names.NAME: code.name,
            names.PHASE: code.phase,
            names.CATEGORY: code.category,
            names.OUTCOME: code.outcome.value,
            names.OWNER: code.owner.value,
            names.SEVERITY: code.severity.value,
            names.PLANNED: "true" if code.planned else "false",
        }
        metric.add_metric((), labels)
    return metric
