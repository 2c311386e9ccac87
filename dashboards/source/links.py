"""Addresses of runbooks and dashboards, in the links of tables and of dashboards."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names

TAG: Final = "session-ends"
CODE_UID: Final = "session-end-code"
RUNBOOKS: Final = f"${{{names.RUNBOOKS}}}"
"""The hidden variable with the exporter's base URL."""
CARRIED: Final = "${datasource:queryparam}&${__url_time_range}"
"""Keeps Prometheus and the time range in a link from a cell."""


def to_code(system: str) -> dict[str, object]:
    """A cell's link to the dashboard of the row's code; `system` is the name of the system's column."""
    chosen = f"var-{names.SYSTEM}={_cell(system)}&var-{names.CODE}={_cell(names.CODE)}"
    return _link("Dashboard of the code", f"/d/{CODE_UID}?{chosen}&{CARRIED}")


def to_code_runbook(system: str) -> dict[str, object]:
    """A cell's link to the runbook of the row's code."""
    url = f"{RUNBOOKS}{names.CODES_PATH}/{_cell(system)}/{_cell(names.CODE)}"
    return _link("Runbook", url, new_tab=True)


def to_runbook(path: str) -> dict[str, object]:
    """A cell's link to a runbook; `path` is the name of the column that has the runbook's path."""
    return _link("Runbook", f"{RUNBOOKS}{_cell(path)}", new_tab=True)


def _cell(column: str) -> str:
    return f"${{__data.fields.{column}}}"


def _link(title: str, url: str, *, new_tab: bool = False) -> dict[str, object]:
    return {"title": title, "url": url, "targetBlank": new_tab}


def dashboard_links() -> list[models.DashboardLink]:
    """To the other dashboards, with time range and variables, and to the exporter's table of codes."""
    dashboards = models.DashboardLink(
        title="Session ends",
        type_val=models.DashboardLinkType.DASHBOARDS,
        icon="external link",
        tags=[TAG],
        include_vars=True,
        keep_time=True,
    )
    runbooks = models.DashboardLink(
        title="Runbooks",
        icon="doc",
        tooltip="All codes with meaning, causes and fix",
        url=f"{RUNBOOKS}{names.CODES_PATH}",
        target_blank=True,
    )
    return [dashboards, runbooks]
