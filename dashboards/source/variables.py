"""The variables at the top of a dashboard, and links that use them."""

from typing import Any, Final

from dashboards.source import queries
from dashboards.source.panels import SOURCE
from exporter import names

Variable = dict[str, Any]
DEFAULT_RUNBOOKS: Final = "http://127.0.0.1:10401"
"""The default address of the exporter's ops listener, which serves the runbooks."""
CODE_UID: Final = "session-end-code"
RUNBOOKS: Final = f"${{{names.RUNBOOKS}}}"
"""The hidden variable with the exporter's base URL."""
DATA_SOURCE: Final[Variable] = {
    "type": "datasource",
    "name": "datasource",
    "label": "Data source",
    "query": "prometheus",
    # Reads the values when the dashboard is loaded.
    "refresh": 1,
}


def _option(text: str, value: str) -> dict[str, object]:
    return {"selected": True, "text": text, "value": value}


def _query(name: str, query: str, **more: object) -> Variable:
    return {
        "type": "query",
        "name": name,
        # Grafana does not match a query of several lines.
        "query": " ".join(query.split()),
        "datasource": SOURCE,
        # Reads the values when the time range changes, and sorts them alphabetically.
        "refresh": 2,
        "sort": 1,
        **more,
    }


def _values(name: str, metric: str, source: str, **more: object) -> Variable:
    """All or some values of the label `source`."""
    several = {"multi": True, "includeAll": True, "current": _option("All", "$__all")}
    return _query(name, f"label_values({metric}, {source})", **several, **more)


# A pattern instead of the list of all values also includes later values.
SYSTEM: Final = _values(
    "system", names.SESSION_END_CODE_INFO, names.SYSTEM, label="System", allValue=".+"
)
INSTANCE: Final = _values(
    "instance", names.BUILD_INFO, queries.INSTANCE, label="Exporter", allValue=".+"
)
LABEL: Final = _values("label", names.SESSION_ENDS_BY_LABEL, names.LABEL, hide=2)
"""The labels in the exporter's setting `labels`, hidden: a panel is repeated for each."""
_INFO: Final = f"max by ({names.CODE}, {names.NAME}) ({queries.code_info()})"
_WORST: Final = f"max by ({names.CODE}) ({queries.WORST_OF_THRESHOLD})"
_RANKED: Final = f"({_INFO} * on ({names.CODE}) group_left () {_WORST} or 0 * {_INFO})"
CODE: Final = _query(
    "code",
    f"query_result(sort_desc({queries.with_title(_RANKED)}))",
    label="Code",
    # Keeps the order of the query.
    sort=0,
    regex=f'/{names.CODE}="(?<value>[^"]+)".*title="(?<text>[^"]+)"/',
)
"""A code of the selected systems, shown with its name. The first is the worst against its threshold."""
_LINKS: Final = (
    f"group by ({names.RUNBOOKS}) ({names.LINKS_INFO})",
    # An exporter that is down no longer exports its links.
    f"group by ({names.RUNBOOKS}) (last_over_time({names.LINKS_INFO}[1h]))",
    queries.with_label("vector(1)", names.RUNBOOKS, DEFAULT_RUNBOOKS),
)
RUNBOOKS_URL: Final = _query(
    names.RUNBOOKS,
    f"query_result({' or on () '.join(_LINKS)})",
    hide=2,
    regex=f'/{names.RUNBOOKS}="([^"]+)"/',
    current=_option(DEFAULT_RUNBOOKS, DEFAULT_RUNBOOKS),
)
"""The base URL of the runbooks, hidden: the exporter's setting `runbook_url`."""

# --- links from the rows of tables to dashboards and runbooks ---------------------------------------------


def cell(column: str) -> str:
    """Grafana's variable for a cell of the row."""
    return f"${{__data.fields.{column}}}"


def to_runbook(path: str) -> dict[str, object]:
    return {"title": "Runbook", "url": RUNBOOKS + path, "targetBlank": True}


def to_code_runbook(system: str) -> dict[str, object]:
    """`system` is the name of the column with the system."""
    return to_runbook(f"{names.CODES_PATH}/{cell(system)}/{cell(names.CODE)}")


def to_dashboard(path: str) -> dict[str, object]:
    """`path` ends with "?" or "&". The link keeps the data source and the time range."""
    return {
        "title": "Dashboard",
        "url": f"/d/{path}${{datasource:queryparam}}&${{__url_time_range}}",
    }


_VALUES: Final = f"var-{names.SYSTEM}={cell('System')}&var-{names.CODE}={cell(names.CODE)}&"
OF_CODE: Final = [to_dashboard(f"{CODE_UID}?{_VALUES}"), to_code_runbook("System")]
