"""Links to runbooks and dashboards, for tables and dashboards."""

from typing import Any, Final

from exporter import names

TAG: Final = "session-ends"
CODE_UID: Final = "session-end-code"
RUNBOOKS: Final = f"${{{names.RUNBOOKS}}}"
"""The hidden variable with the exporter's base URL."""


def cell(column: str) -> str:
    """Grafana's variable for a cell of the row."""
    return f"${{__data.fields.{column}}}"


def to_code(system: str = "System") -> dict[str, object]:
    """Links to the dashboard of the row's code; `system` is the name of the system's column.

    The link keeps the data source and the time range.
    """
    chosen = f"var-{names.SYSTEM}={cell(system)}&var-{names.CODE}={cell(names.CODE)}"
    url = f"/d/{CODE_UID}?{chosen}&${{datasource:queryparam}}&${{__url_time_range}}"
    return {"title": "Dashboard of the code", "url": url, "targetBlank": False}


def to_code_runbook(system: str = "System") -> dict[str, object]:
    return to_runbook(f"{names.CODES_PATH}/{cell(system)}/{cell(names.CODE)}")


def to_runbook(path: str) -> dict[str, object]:
    return {"title": "Runbook", "url": RUNBOOKS + path, "targetBlank": True}


def dashboard_links() -> list[dict[str, Any]]:
    """Links to the other dashboards, and to the runbooks of all codes."""
    return [
        {
            "title": "Session ends",
            "type": "dashboards",
            "icon": "external link",
            "tags": [TAG],
            "includeVars": True,
            "keepTime": True,
        },
        {
            "title": "Runbooks",
            "type": "link",
            "icon": "doc",
            "tooltip": "All codes with meaning, causes and fix",
            "url": f"{RUNBOOKS}{names.CODES_PATH}",
            "targetBlank": True,
        },
    ]
