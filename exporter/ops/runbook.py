"""/codes/{system}/{code} and /alerts/{alert}: what somebody needs who was just woken, what helps first."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from exporter import names
from exporter.ingest.unknown import UnknownCode
from exporter.lookup.page import facts
from exporter.ops.history import Recent
from exporter.ops.links import alert_path
from exporter.ops.markup import Html, element, items, joined, link
from exporter.ops.page import page as html_page
from exporter.ops.page import table
from exporter.ops.render import macros
from exporter.printable import printable
from exporter.rule_files import Alert, alerts_of
from exporter.runbooks.loader import load as load_runbooks
from exporter.runbooks.page import Diagnosis, RunbookPage, page_of, page_of_alert
from exporter.taxonomy.model import Code, System, Taxonomy

_SECTIONS: Final = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Alerts")
_RULE: Final = "Rule"
_RAW: Final = "Codes as they came"


def code_page(
    taxonomy: Taxonomy, system: System, code: Code, recent: Recent, raw: Sequence[UnknownCode]
) -> Response:
    """The runbook of a code. `raw` are the codes as senders wrote them, for the page of `unknown`."""
    book = page_of(taxonomy, code.system, code.code)
    meanings = load_runbooks(taxonomy).signals
    about = [(alert, meanings[alert.signal]) for alert in alerts_of(code)]
    return html_page(book.title, _runbook(system, code, book, about, recent, raw), script="copy")


def alert_page(taxonomy: Taxonomy, alert: Alert) -> Response:
    """The runbook of an alert."""
    return html_page(alert.name, _alert_page(page_of_alert(taxonomy, alert), alert), script="copy")


def _runbook(
    system: System,
    code: Code,
    page: RunbookPage,
    alerts: Sequence[tuple[Alert, str]],
    recent: Recent,
    raw: Iterable[UnknownCode],
) -> Html:
    """A code's page. `alerts` are the alerts of the code with the meaning of each; `raw` are the codes as
    senders wrote them, for the page of `unknown`."""
    rows = [*raw]
    article = _article(
        page,
        _section("Alerts", *_alerts(alerts)),
        before=_raw(rows),
        after=_facts(system, code),
    )
    return _body(
        joined(link(names.CODES_PATH, "Codes")),
        page,
        joined(
            _kind(system, code),
            _first(page, code.fix if code.code != names.UNKNOWN else ""),
        ),
        Html(macros().counts(code, recent)),
        [*([_RAW] if rows else []), *_SECTIONS, "Facts"],
        article,
    )


def _alert_page(page: RunbookPage, alert: Alert) -> Html:
    """The page of an alert."""
    return _body(
        link(names.ALERTS_PATH, "Alerts"),
        page,
        joined(
            element("p", element("code", alert.name), " · ", severity(alert), class_="kind"),
            _first(page, ""),
        ),
        Html(),
        [*_SECTIONS[:-1], _RULE],
        _article(page, _section(_RULE, *_rule(alert))),
    )


def severity(alert: Alert) -> Html:
    """What the alert does when it fires."""
    words = {"page": "wakes on-call", "ticket": "opens a ticket", "": "as its code says"}
    return joined(words[alert.severity])


def _body(
    back: Html, page: RunbookPage, top: Html, side: Html, sections: Sequence[str], article: Html
) -> Html:
    contents = items(*(link(f"#{_anchor(name)}", name) for name in sections))
    return joined(
        element("nav", items(link("/", "session-end-exporter"), back), aria_label="Back"),
        element(
            "main",
            element("header", element("h1", page.title), top),
            element("aside", side, element("nav", contents, aria_label="On this page")),
            article,
            class_="runbook",
        ),
        element("p", id="said", role="status", class_="unseen"),
    )


def _kind(system: System, code: Code) -> Html:
    category = system.categories.get(code.category, code.category)
    said = f" · {code.phase} · {category} · owner: {code.owner}"
    return element("p", Html(macros().outcome(code)), said, class_="kind")


def _first(page: RunbookPage, fix: str) -> Html:
    return element(
        "div",
        element("p", element("strong", "First: "), page.first),
        element("p", element("strong", "Fix: "), fix) if fix else Html(),
        class_="first",
    )


def _article(
    page: RunbookPage,
    last: Html,
    before: Iterable[Html] = (),
    after: Iterable[Html] = (),
) -> Html:
    parts = (
        _section("Meaning", *_paragraphs(page.meaning)),
        _section("Impact", *_paragraphs(page.impact)),
        _section("Diagnosis", *_diagnoses(page)),
        _section("Mitigation", items(*page.mitigation, tag="ol")),
        last,
    )
    return element("article", *before, *parts, *after)


def _section(name: str, *children: str) -> Html:
    return element("section", element("h2", name), *children, id=_anchor(name))


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _paragraphs(texts: Iterable[str]) -> Iterator[Html]:
    yield from (element("p", text) for text in texts)


def _diagnoses(page: RunbookPage) -> Iterator[Html]:
    place = 0
    for number, one in enumerate(page.diagnosis, start=1):
        yield element("h3", f"{number}. {one.title}")
        for query in one.queries:
            place += 1
            yield _copied(query, f"query-{place}", f"query {place}")
        yield _answers(one)
    if page.checks:
        yield element("h3", "Look up outside Prometheus")
        yield items(*page.checks)


def _answers(one: Diagnosis) -> Html:
    return items(*(joined(element("strong", seen), f": {points}") for seen, points in one.answers))


def _copied(text: str, place: str, name: str) -> Html:
    """PromQL with a button that copies it; `place` is its id, `name` is what the button says it copies."""
    return element(
        "div",
        element("pre", element("code", text, id=place)),
        element(
            "button",
            "Copy",
            type="button",
            class_="copy",
            data_copies=place,
            aria_label=f"Copy {name}",
            hidden=True,
        ),
        class_="copied",
    )


def _alerts(alerts: Sequence[tuple[Alert, str]]) -> Iterator[Html]:
    if not alerts:
        yield element("p", "None: this code wakes nobody and opens no ticket.")
    for alert, meaning in alerts:
        yield element("h3", link(alert_path(alert.name), alert.name))
        yield element("p", meaning)


def _rule(alert: Alert) -> Iterator[Html]:
    if alert.wait:
        yield element("p", f"Fires when this lasts {alert.wait}:")
    yield _copied(alert.expr, "expr", f"the expression of {alert.name}")


def _raw(rows: Sequence[UnknownCode]) -> Iterator[Html]:
    if not rows:
        return
    cells = [
        [
            element("code", printable(row.code)),
            f"{datetime.fromtimestamp(row.last_seen, UTC):%Y-%m-%d %H:%M:%S} UTC",
            f"{row.count:,}",
        ]
        for row in rows
    ]
    yield _section(_RAW, table(_RAW, ["Code", "Last seen", "Events"], cells, numbers=1))


def _facts(system: System, code: Code) -> Iterator[Html]:
    shown = [(label, text) for label, text in facts(system, code) if label != "Runbook"]
    rows = [
        *shown,
        ("Vendor's page", system.source),
    ]
    yield _section(
        "Facts",
        element(
            "dl",
            *(joined(element("dt", label), element("dd", text)) for label, text in rows),
        ),
    )
