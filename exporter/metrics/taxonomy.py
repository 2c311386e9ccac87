"""The taxonomy as series: rules, dashboards and notifications read its texts from Prometheus."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.metrics.exposition import constant
from exporter.taxonomy.model import Taxonomy

_OF_CODE: Final = (
    *(names.SYSTEM, names.CODE, names.NAME, names.PHASE, names.CATEGORY),
    *(names.OUTCOME, names.OWNER, names.SEVERITY),
)
"""Labels that have the names of fields of `Code`."""


class TaxonomyCollector(Collector):
    """Exports series that never change while the process runs.

    `runbooks` and `dashboards` are the base URLs of links in notifications; `dashboards` may be "".
    """

    def __init__(self, taxonomy: Taxonomy, runbooks: str, dashboards: str) -> None:
        infos = InfoMetricFamily(
            names.SESSION_END_CODE_INFO.removesuffix("_info"),
            "Name, phase, category, outcome, owner and severity of each code.",
        )
        categories = InfoMetricFamily(
            names.SESSION_END_CATEGORY_INFO.removesuffix("_info"), "Title of each category."
        )
        help_texts = GaugeMetricFamily(
            names.SESSION_END_CODE_HELP,
            "Causes and fix of each code, as texts for notifications.",
            labels=(names.SYSTEM, names.CODE, names.CAUSES, names.FIX),
        )
        objective = GaugeMetricFamily(
            names.SESSION_END_OBJECTIVE,
            "Target of the success ratio, success / (success + failure).",
            labels=(names.SYSTEM,),
        )
        spike_floor = GaugeMetricFamily(
            names.SESSION_END_SPIKE_FLOOR,
            "Minimum count of ends in 5 minutes for a spike, of codes that set it.",
            labels=(names.SYSTEM, names.CODE),
        )
        for name, system in taxonomy.systems.items():
            objective.add_metric((name,), system.objective)
            for category, title in system.categories.items():
                labels = {names.SYSTEM: name, names.CATEGORY: category, names.TITLE: title}
                categories.add_metric((), labels)
            for code in system.all_codes:
                labels = {label: str(getattr(code, label)) for label in _OF_CODE}
                infos.add_metric((), labels | {names.PLANNED: "true" if code.planned else "false"})
                help_texts.add_metric((name, code.code, code.causes, code.fix), 1)
                if code.spike_floor is not None:
                    spike_floor.add_metric((name, code.code), code.spike_floor)
        links = InfoMetricFamily(
            names.LINKS_INFO.removesuffix("_info"),
            "Base URLs that notifications link to.",
            {names.RUNBOOKS: runbooks, names.DASHBOARDS: dashboards},
        )
        families = (infos, categories, help_texts, objective, spike_floor, links)
        self._families = tuple(map(constant, families))

    def collect(self) -> Iterable[Metric]:
        return self._families
