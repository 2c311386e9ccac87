"""The alerts that fire, as a table with links: the same on every dashboard that has it."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from exporter import names
from exporter.render.alerts import SEVERITY
from exporter.render.catalog import PAGE, TICKET
from exporter.render.dashboards.looks import AS_WRITTEN, BAD, HIDDEN, WARNING, by_name, marked
from exporter.render.dashboards.panels import About, Query, change, rows
from exporter.render.dashboards.queries import alerts
from exporter.render.pack import DASHBOARD_PATH, Pack

SEVERITIES: Final = {PAGE: BAD, TICKET: WARNING}
CARRIED: Final = "${datasource:queryparam}&${__url_time_range}"
"""Keeps Prometheus and the time range in a link from a cell."""


def to_code(system: str, code: str) -> str:
    """The code dashboard; arguments are names of the row's columns."""
    variables = (
        f"var-{names.SYSTEM}=${{__data.fields.{system}}}&var-{names.CODE}=${{__data.fields.{code}}}"
    )
    return f"{DASHBOARD_PATH}?{variables}&{CARRIED}"


def to_runbook(pack: Pack, system: str, code: str) -> str:
    """The code's runbook; arguments are names of the row's columns."""
    return (
        f"{pack.runbook_base_url}{names.CODES_PATH}"
        f"/${{__data.fields.{system}}}/${{__data.fields.{code}}}"
    )


def link(title: str, url: str, *, away: bool = False) -> dict[str, object]:
    """A link of a panel's or a column's values."""
    return {"title": title, "url": url, "targetBlank": away}


def firing(pack: Pack, *matchers: str) -> models.Panel:
    """Which alerts fire, since when, and where to read on."""
    about = About(
        title="Which alerts are firing?",
        reading="The latest first. An alert's name leads to its runbook and to its code. Pages woke "
        "somebody; tickets wait for office hours. Normal is none.",
        empty="Nothing is firing.",
    )
    hidden = ("Time", "__name__", "alertstate", "signal", "phase", "category", "owner")
    return rows(
        about,
        [Query(alerts(*matchers), rows=True)],
        [
            change(
                "organize",
                excludeByName=dict.fromkeys((*hidden, "instance", "job", "ledger"), True),
                indexByName={"Value": 0, SEVERITY: 1, "alertname": 2, names.SYSTEM: 3, "code": 4},
                renameByName={"Value": "Since", SEVERITY: "Severity", "alertname": "Alert"},
            )
        ],
        [
            by_name("Since", {"unit": "dateTimeFromNow", "custom.width": 120}),
            by_name("Severity", {**marked(SEVERITIES), "custom.width": 80}),
            by_name(
                "Alert",
                {
                    "links": [
                        link("The code", to_code(names.SYSTEM, names.CODE)),
                        link(
                            "Runbook",
                            f"{pack.runbook_base_url}{names.ALERTS_PATH}/${{__data.fields.Alert}}",
                            away=True,
                        ),
                    ]
                },
            ),
            by_name(names.SYSTEM, HIDDEN),
            by_name(names.CODE, {**HIDDEN, **AS_WRITTEN}),
        ],
        sort="Since",
    )
