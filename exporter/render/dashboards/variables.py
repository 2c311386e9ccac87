"""What somebody chooses at the top of a dashboard."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.dashboards.panels import SOURCE
from exporter.render.dashboards.queries import SYSTEMS, of, titled
from exporter.render.promql import INSTANCE

ALL: Final = models.VariableOption(selected=True, text="All", value="$__all")
NOT_CONFIGURED: Final = (
    "__name__",
    *names.SERIES_LABELS,
    names.LEDGER,
    INSTANCE,
    "job",
)
"""Labels of session_ends_total that every installation has; the others are somebody's own."""


def system() -> models.VariableModel:
    """One, several or all systems."""
    return _asked(
        names.SYSTEM,
        "System",
        f"label_values({names.SESSION_END_CODE_INFO}, {names.SYSTEM})",
        several=True,
    )


def code() -> models.VariableModel:
    """A code of the chosen systems, shown with its name."""
    known = f"max by ({names.CODE}, {names.NAME}) ({of(names.SESSION_END_CODE_INFO, SYSTEMS)})"
    variable = _asked(names.CODE, "Code", f"query_result({titled(known)})")
    variable.regex = f'/{names.CODE}="(?<value>[^"]+)".*title="(?<text>[^"]+)"/'
    return variable


def instance() -> models.VariableModel:
    """One, several or all exporters, by the address that they are scraped at."""
    return _asked(
        INSTANCE, "Exporter", f"label_values({names.BUILD_INFO}, {INSTANCE})", several=True
    )


def label() -> models.VariableModel:
    """One of the labels that this installation's settings keep.

    Which ones is not known when dashboards are rendered, so Grafana asks. An ad-hoc filter would be the
    other way, but it goes into every query, and the recorded series have no such label: it would empty
    all panels but two.
    """
    variable = _asked("label", "By label", f"label_names({names.SESSION_ENDS})")
    variable.regex = f"/^(?!(?:{'|'.join(NOT_CONFIGURED)})$).+$/"
    return variable


def _asked(name: str, label: str, query: str, *, several: bool = False) -> models.VariableModel:
    return models.VariableModel(
        type_val=models.VariableType.QUERY,
        name=name,
        label=label,
        query=query,
        datasource=SOURCE,
        multi=several,
        include_all=several,
        # Not the list of all values, which is long, and has no place for one that appears later.
        all_value=".+" if several else None,
        current=ALL if several else None,
        refresh=models.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=models.VariableSort.ALPHABETICAL_ASC,
    )


def datasource() -> models.VariableModel:
    return models.VariableModel(
        type_val=models.VariableType.DATASOURCE,
        name="datasource",
        label="Prometheus",
        query="prometheus",
        refresh=models.VariableRefresh.ON_DASHBOARD_LOAD,
    )
