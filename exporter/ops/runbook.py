"""/codes/{system}/{code} and /alerts/{name}: the runbook, with what was counted and the alert's rule."""

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from exporter.ingest.unknown import UnknownCode
from exporter.lookup.page import facts
from exporter.ops.history import Recent
from exporter.ops.render import render
from exporter.printable import printable
from exporter.rule_files import Alert, alerts_of
from exporter.runbooks import pages
from exporter.runbooks.links import QueryLinks
from exporter.runbooks.render import Rendered
from exporter.settings import Settings
from exporter.taxonomy.model import Code, System

_MOST_RAW: Final = 10
"""Unknown codes on the page, the most frequent: mitigation comes below them."""


def code_page(
    system: System, code: Code, settings: Settings, recent: Recent, raw: Iterable[UnknownCode]
) -> Response:
    """A code's page. `raw` are the codes as senders wrote them, for the page of `unknown`."""
    own, shared = pages.of_code(system, code, settings.taxonomy, _links(settings))
    rows = sorted(raw, key=lambda row: -row.count)[:_MOST_RAW]
    return render(
        "code.html",
        system=system,
        code=code,
        category=system.categories.get(code.category, code.category),
        recent=recent,
        raw=[(printable(row.code), row.count, row.last_seen) for row in rows],
        runbook=_markup(own),
        diagnosis=_markup(shared),
        facts=[fact for fact in facts(system, code) if fact[0] != "Runbook"],
        alerts=alerts_of(code),
    )


def alert_page(alert: Alert, settings: Settings) -> Response:
    """An alert's page."""
    runbook = pages.of_alert(alert.name, _links(settings))
    return render("alert.html", alert=alert, runbook=_markup(runbook))


def _links(settings: Settings) -> QueryLinks:
    return QueryLinks(settings.prometheus_url, settings.dashboard_url)


def _markup(page: Rendered) -> Rendered:
    # The Markdown renderer has escaped every text.
    return Rendered(Markup(page.first), Markup(page.rest))  # noqa: S704
