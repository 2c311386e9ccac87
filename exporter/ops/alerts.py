"""/alerts: every alert of the rule files, with its runbook."""

from collections.abc import Iterable

from exporter.ops.links import alert_path
from exporter.ops.markup import Html, element, items, joined, link
from exporter.ops.page import table
from exporter.rule_files import Alert

_SEVERITIES = {"page": "wakes on-call", "ticket": "opens a ticket", "": "as its code says"}


def alerts(rows: Iterable[Alert]) -> Html:
    """The body."""
    return joined(
        element("nav", items(link("/", "session-end-exporter")), aria_label="Back"),
        element(
            "main",
            element("h1", "Alerts"),
            element(
                "p",
                "The alerts of the shipped rules. An alert about a code links to the page of its code.",
                class_="lead",
            ),
            table("Alerts", ["Alert", "Signal", "Severity"], [*map(_row, rows)]),
        ),
    )


def severity(alert: Alert) -> Html:
    """What the alert does when it fires."""
    said = _SEVERITIES[alert.severity]
    return element("strong", said) if alert.severity == "page" else joined(said)


def _row(alert: Alert) -> tuple[Html, Html, Html]:
    return link(alert_path(alert.name), alert.name), joined(alert.signal), severity(alert)
