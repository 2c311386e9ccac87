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


def system() -> Variable:
    query = f"label_values({names.SESSION_END_CODE_INFO}, {names.SYSTEM})"
    return _query("system", "System", query, several=True)


def instance() -> Variable:
    query = f"label_values({names.BUILD_INFO}, {queries.INSTANCE})"
    return _query("instance", "Exporter", query, several=True)


def code() -> Variable:
    """A code of the selected systems, shown with its name. The first is the worst against its threshold."""
    info = f"max by ({names.CODE}, {names.NAME}) ({queries.code_info()})"
    worst = f"max by ({names.CODE}) ({queries.worst_of_threshold()})"
    ranked = f"{info} * on ({names.CODE}) group_left () {worst} or 0 * {info}"
    regex = f'/{names.CODE}="(?<value>[^"]+)".*title="(?<text>[^"]+)"/'
    variable = _query(
        "code", "Code", f"query_result(sort_desc({queries.with_title(f'({ranked})')}))", regex
    )
    # 0 keeps the order of the query.
    return variable | {"sort": 0}


def label() -> Variable:
    """The labels in the exporter's setting `labels`, hidden: a panel is repeated for each."""
    query = f"label_values({names.SESSION_ENDS_BY_LABEL}, {names.LABEL})"
    hidden = _query("label", "", query) | {"multi": True, "includeAll": True, "hide": 2}
    return hidden | {"current": _option("All", "$__all")}


def runbooks() -> Variable:
    """The base URL of the runbooks, hidden: the exporter's setting `runbook_url`."""
    now = f"group by ({names.RUNBOOKS}) ({names.LINKS_INFO})"
    # An exporter that is down no longer exports its links.
    before = f"group by ({names.RUNBOOKS}) (last_over_time({names.LINKS_INFO}[1h]))"
    default = queries.with_label("vector(1)", names.RUNBOOKS, DEFAULT_RUNBOOKS)
    query = f"query_result({now} or on () {before} or on () {default})"
    variable = _query(names.RUNBOOKS, "", query, f'/{names.RUNBOOKS}="([^"]+)"/')
    # 2 hides the variable.
    return variable | {"hide": 2, "current": _option(DEFAULT_RUNBOOKS, DEFAULT_RUNBOOKS)}


def datasource() -> Variable:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        # Reads the values when the dashboard is loaded.
        "refresh": 1,
    }


def _query(
    name: str, label: str, query: str, regex: str | None = None, *, several: bool = False
) -> Variable:
    variable = {
        "name": name,
        "label": label,
        # Grafana does not match a query of several lines.
        "query": " ".join(query.split()),
        "datasource": SOURCE,
        "multi": several,
        "includeAll": several,
        # Reads the values when the time range changes, and sorts them alphabetically.
        "refresh": 2,
        "sort": 1,
        "regex": regex,
    }
    if several:
        # A pattern instead of the list of all values also includes later values.
        variable |= {"allValue": ".+", "current": _option("All", "$__all")}
    return variable


def _option(text: str, value: str) -> dict[str, object]:
    return {"selected": True, "text": text, "value": value}


# --- links from the rows of tables to dashboards and runbooks ---------------------------------------------


def cell(column: str) -> str:
    """Grafana's variable for a cell of the row."""
    return f"${{__data.fields.{column}}}"


def to_runbook(path: str) -> dict[str, object]:
    return {"title": "Runbook", "url": RUNBOOKS + path, "targetBlank": True}


def to_code_runbook(system: str) -> dict[str, object]:
    """`system` is the name of the column with the system."""
    return to_runbook(f"{names.CODES_PATH}/{cell(system)}/{cell(names.CODE)}")


TO_CODE: Final[dict[str, object]] = {
    "title": "Dashboard of the code",
    "url": f"/d/{CODE_UID}?var-{names.SYSTEM}={cell('System')}&var-{names.CODE}={cell(names.CODE)}"
    "&${datasource:queryparam}&${__url_time_range}",
    "targetBlank": False,
}
"""The link keeps the data source and the time range."""
OF_CODE: Final = [TO_CODE, to_code_runbook("System")]
