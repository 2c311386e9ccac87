"""The page at `/`: what this is, whether it is well, and where to look next."""

from collections import Counter
from collections.abc import Sequence
from html import escape

import exporter
from exporter import names
from exporter.ledger.contract import Family, Status, Totals
from exporter.ops.page import table
from exporter.ops.readiness import unready
from exporter.taxonomy.model import Outcome, Taxonomy

_LINKS = (
    (names.METRICS_PATH, "Metrics"),
    (names.CODES_PATH, "Codes and runbooks"),
    (names.UNKNOWN_CODES_PATH, "Unknown codes"),
    (names.DOCS_PATH, "HTTP API"),
    (names.READY_PATH, "Readiness"),
)


def landing(
    taxonomy: Taxonomy,
    totals: Totals,
    status: Status,
    accepted: int,
    notices: Sequence[str],
    paths: frozenset[str],
) -> str:
    """The body's HTML. `accepted` events since the start; only links to `paths` that exist are shown."""
    links = "\n".join(
        f'<li><a href="{path}">{text}</a></li>' for path, text in _LINKS if path in paths
    )
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
            "<h2>Counted so far</h2>",
            _counts(taxonomy, totals),
            "<h2>This exporter</h2>",
            _facts(totals, status, accepted),
            "</main>",
        )
    )


def _state(reason: str | None) -> str:
    if reason is None:
        return '<p class="state good"><strong>Ready:</strong> events are taken and counted.</p>'
    return f'<p class="state bad"><strong>Not ready:</strong> {escape(reason)}</p>'


def _counts(taxonomy: Taxonomy, totals: Totals) -> str:
    """Final ends by system and outcome, late ones included, and interruptions."""
    ends: Counter[tuple[str, str]] = Counter()
    for total in totals.series:
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
        (
            "Deduplication window",
            f"{status.window_ids:,} of {status.window_capacity:,} ids, "
            f"back to {status.window_span / 3600:.1f} h ago",
        ),
        ("New series shown as 0", f"{sum(total.held for total in totals.series):,}"),
    )
    rows = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<dl>\n{rows}\n</dl>"
