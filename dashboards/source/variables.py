"""The variables at the top of a dashboard."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source.panels import SOURCE
from dashboards.source.queries import INSTANCE, code_info, with_label, with_title
from exporter import names

DEFAULT_RUNBOOKS: Final = "http://127.0.0.1:10401"
"""The default address of the exporter's ops listener, which serves the runbooks."""
NOT_CONFIGURED: Final = ("__name__", *names.SERIES_LABELS, names.LEDGER, INSTANCE, "job")
"""Labels of session_ends_total in every installation; all others are configured."""


def system() -> models.VariableModel:
    """Some or all systems."""
    return _query(
        "system",
        "System",
        f"label_values({names.SESSION_END_CODE_INFO}, {names.SYSTEM})",
        several=True,
    )


def instance() -> models.VariableModel:
    """Some or all exporters, by the address that Prometheus scrapes."""
    return _query(
        "instance", "Exporter", f"label_values({names.BUILD_INFO}, {INSTANCE})", several=True
    )


def code() -> models.VariableModel:
    """A code of the chosen systems, shown with its name."""
    known = with_title(f"max by ({names.CODE}, {names.NAME}) ({code_info()})")
    regex = f'/{names.CODE}="(?<value>[^"]+)".*title="(?<text>[^"]+)"/'
    return _query("code", "Code", f"query_result({known})", regex)


def label() -> models.VariableModel:
    """One of the labels that the exporter's setting `labels` keeps.

    No ad-hoc filter: Grafana adds it to every query, and recorded series do not have these labels.
    """
    regex = f"/^(?!(?:{'|'.join(NOT_CONFIGURED)})$).+$/"
    return _query("label", "By label", f"label_names({names.SESSION_ENDS})", regex)


def runbooks() -> models.VariableModel:
    """The base URL of the runbooks, hidden: the exporter's setting `runbook_url`."""
    now = f"group by ({names.RUNBOOKS}) ({names.LINKS_INFO})"
    # While the exporter is down its runbooks may be up again soon, or be elsewhere.
    before = f"group by ({names.RUNBOOKS}) (last_over_time({names.LINKS_INFO}[1h]))"
    default = with_label("vector(1)", names.RUNBOOKS, DEFAULT_RUNBOOKS)
    query = " or on () ".join((now, before, default))
    regex = f'/{names.RUNBOOKS}="([^"]+)"/'
    variable = _query(names.RUNBOOKS, "", f"query_result({query})", regex)
    variable.hide = models.VariableHide.HIDE_VARIABLE
    variable.current = _option(DEFAULT_RUNBOOKS, DEFAULT_RUNBOOKS)
    return variable


def datasource() -> models.VariableModel:
    """The Prometheus that all panels ask."""
    return models.VariableModel(
        type_val=models.VariableType.DATASOURCE,
        name="datasource",
        label="Prometheus",
        query="prometheus",
        refresh=models.VariableRefresh.ON_DASHBOARD_LOAD,
    )


def _query(
    name: str, label: str, query: str, regex: str | None = None, *, several: bool = False
) -> models.VariableModel:
    return models.VariableModel(
        name=name,
        label=label,
        query=query,
        regex=regex,
        datasource=SOURCE,
        multi=several,
        include_all=several,
        # Instead of the list of all values: a value that appears later is then included.
        all_value=".+" if several else None,
        current=_option("All", "$__all") if several else None,
        refresh=models.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=models.VariableSort.ALPHABETICAL_ASC,
    )


def _option(text: str, value: str) -> models.VariableOption:
    return models.VariableOption(selected=True, text=text, value=value)
