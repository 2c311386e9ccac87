"""The page at `/`: what this is, whether it is well, and where to look next."""

from collections import Counter
from collections.abc import Sequence
from html import escape

import exporter
from exporter import names
from exporter.ledger.contract import OF_SESSIONS, Family, Status, Totals
from exporter.ops.embed import embed
from exporter.ops.history import Recent
from exporter.ops.links import code_path
from exporter.ops.markup import Html, element, joined, link
from exporter.ops.page import table
from exporter.ops.readiness import unready
from exporter.ops.trend import trend
from exporter.settings import Settings
from exporter.taxonomy.model import Outcome, Taxonomy

MINUTES = 5
"""As long as the shortest window of a spike."""
_MOST = 10
_LINKS = (
    (names.METRICS_PATH, "Metrics"),
    (names.CODES_PATH, "Codes and runbooks"),
    (names.ALERTS_PATH, "Alerts"),
    (names.UNKNOWN_CODES_PATH, "Unknown codes"),
    (names.DOCS_PATH, "HTTP API"),
    (names.READY_PATH, "Readiness"),
)


def landing(
    settings: Settings,
    taxonomy: Taxonomy,
    recent: Recent,
    status: Status,
    accepted: int,
    notices: Sequence[str],
) -> str:
    """The body's HTML. `accepted` events since the start."""
    links = "\n".join(f'<li><a href="{path}">{text}</a></li>' for path, text in _LINKS)
    return "\n".join(
        (
            "<main>",
            "<h1>session-end-exporter</h1>",
            '<p class="lead">Counts the ends of streaming sessions, each exactly once, and exports the '
            "counts to Prometheus by code, phase and category.</p>",
            _state(unready(status)),
            *(
                f'<p class="state warn"><strong>Warning:</strong> {escape(notice)}</p>'
                for notice in notices
            ),
            f'<nav aria-label="Pages"><ul>\n{links}\n</ul></nav>',
            f"<h2>The last {MINUTES} minutes</h2>",
            _minutes(taxonomy, recent),
            "<h2>Counted so far</h2>",
            _counts(taxonomy, recent),
            embed(settings),
            "<h2>This exporter</h2>",
            _facts(recent.ledger, status, accepted),
            "</main>",
        )
    )


def _state(reason: str | None) -> str:
    if reason is None:
        return '<p class="state good"><strong>Ready:</strong> events are taken and counted.</p>'
    return f'<p class="state bad"><strong>Not ready:</strong> {escape(reason)}</p>'


def _minutes(taxonomy: Taxonomy, recent: Recent) -> Html:
    """What came in and what failed, the most first."""
    failures = [
        (ended, recent.ended((code.system, code.code), 60), code)
        for system in taxonomy.systems.values()
        for code in (*system.codes, system.unknown)
        if code.outcome is Outcome.FAILURE
        and (ended := recent.ended((code.system, code.code), MINUTES))
    ]
    failures.sort(key=lambda failure: -failure[0])
    events = recent.accepted(MINUTES)
    failed = sum(ended for ended, _, _ in failures)
    rows = [
        [
            link(code_path(code), f"{taxonomy.systems[code.system].title} {code.code}"),
            element("span", code.name),
            f"{ended:,}",
            f"{hour:,}",
        ]
        for ended, hour, code in failures[:_MOST]
    ]
    return joined(
        element(
            "p",
            element("strong", f"{events:,} event{'' if events == 1 else 's'} accepted"),
            f", {failed:,} of them failed sessions",
            f"; the {_MOST} codes with the most:" if len(failures) > _MOST else ".",
        ),
        table("Failures by code", ["Code", "Name", f"{MINUTES} min", "1 h"], rows, numbers=2)
        if rows
        else Html(),
        trend(recent.events, recent.seconds),
    )


def _counts(taxonomy: Taxonomy, recent: Recent) -> str:
    """Final ends by system and outcome, late ones included, and interruptions."""
    ends: Counter[tuple[str, str]] = Counter()
    for total in recent.ledger.series:
        if total.series.family not in OF_SESSIONS:
            continue
        column = (
            Family.INTERRUPTIONS.value
            if total.series.family is Family.INTERRUPTIONS
            else total.series.outcome
        )
        ends[total.series.system, column] += total.value
    columns = [*(outcome.value for outcome in Outcome), Family.INTERRUPTIONS.value]
    rows = [
        [escape(system.title), *(f"{ends[name, column]:,}" for column in columns)]
        for name, system in taxonomy.systems.items()
    ]
    return table(
        "Session ends by system and outcome", ["System", *columns], rows, numbers=len(columns)
    )


def _facts(totals: Totals, status: Status, accepted: int) -> str:
    facts = (
        ("Version", exporter.__version__),
        ("Ledger", totals.ledger),
        ("Ledger's size", f"{status.size_bytes / 1024**2:,.1f} MiB"),
        ("Events accepted since the start", f"{accepted:,}"),
        ("Events waiting for the disk", f"{status.queue_events:,}"),
        *_window(status),
        ("New series shown as 0", f"{sum(total.held for total in totals.series):,}"),
    )
    rows = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<dl>\n{rows}\n</dl>"


def _window(status: Status) -> tuple[tuple[str, str], ...]:
    """How full the deduplication window is, where it can be full."""
    if not status.window_capacity:
        return ()
    ids = f"{status.window_ids:,} of {status.window_capacity:,} ids"
    return (("Deduplication window", f"{ids}, back to {status.window_span / 3600:.1f} h ago"),)
