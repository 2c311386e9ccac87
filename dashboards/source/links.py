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
    chosen = f"var-{names.SYSTEM}={cell(system)}&var-{names.CODE}={cell(names.CODE)}"
    url = f"/d/{CODE_UID}?{chosen}&{CARRIED}"
    return {"title": "Dashboard of the code", "url": url, "targetBlank": False}


def to_code_runbook(system: str) -> dict[str, object]:
    """A cell's link to the runbook of the row's code."""
    return to_runbook(f"{names.CODES_PATH}/{cell(system)}/{cell(names.CODE)}")


def to_runbook(path: str) -> dict[str, object]:
    """A cell's link to a runbook."""
    return {"title": "Runbook", "url": RUNBOOKS + path, "targetBlank": True}


def cell(column: str) -> str:
    """Grafana's variable for a cell of the row."""
    return f"${{__data.fields.{column}}}"


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
