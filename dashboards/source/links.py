"""Links from the rows of tables to dashboards and runbooks."""

from typing import Final

from exporter import names

CODE_UID: Final = "session-end-code"
RUNBOOKS: Final = f"${{{names.RUNBOOKS}}}"
"""The hidden variable with the exporter's base URL."""


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
