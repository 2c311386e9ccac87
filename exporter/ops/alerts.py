"""/alerts: every alert that is rendered, with its runbook."""

from collections.abc import Iterable
from itertools import groupby

from exporter.ops.links import alert_path, code_path
from exporter.ops.markup import Html, element, items, joined, link
from exporter.ops.page import table
from exporter.render.catalog import PAGE, Subject


def alerts(subjects: Iterable[Subject], mistake: str) -> Html:
    """The body. `mistake` is why there are none."""
    return joined(
        element("nav", items(link("/", "session-end-exporter")), aria_label="Back"),
        element(
            "main",
            element("h1", "Alerts"),
            element(
                "p",
                "Those of the shipped policy. A code's are on the code's page.",
                class_="lead",
            ),
            _mistake(mistake),
            *(
                joined(
                    element("h2", title),
                    table(
                        f"Alerts of {title}", ["Alert", "About", "Severity"], [*map(_row, group)]
                    ),
                )
                for title, group in groupby(subjects, _title)
            ),
        ),
    )


def runbook_of(subject: Subject) -> str:
    """Where an alert is explained."""
    if subject.code is None:
        return alert_path(subject.alert)
    return f"{code_path(subject.code)}#{subject.alert.lower()}"


def _mistake(text: str) -> Html:
    if not text:
        return Html()
    return element("p", element("strong", "No rules can be rendered: "), text, class_="state bad")


def _title(subject: Subject) -> str:
    return subject.system.title if subject.system else "The exporter itself"


def _row(subject: Subject) -> tuple[Html, Html, Html]:
    code = subject.code
    wakes = subject.severity == PAGE
    return (
        link(runbook_of(subject), subject.alert),
        joined(f"{code.code} {code.name}" if code else subject.signal.value),
        element("strong", "wakes on-call") if wakes else joined("opens a ticket"),
    )
