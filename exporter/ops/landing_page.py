"""The page at `/`: readiness, warnings and counts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

import exporter
from exporter import names
from exporter.ledger.contract import Status
from exporter.ops.recent_ends import Recent
from exporter.ops.render import render
from exporter.settings import Settings, is_loopback
from exporter.taxonomy.model import Code, Outcome, Taxonomy

_MAX_FAILURES: Final = 10


def landing_page(
    settings: Settings,
    taxonomy: Taxonomy,
    recent: Recent,
    status: Status,
) -> Response:
    failures = _failures(taxonomy, recent)
    return render(
        "landing_page.html",
        version=exporter.__version__,
        taxonomy=taxonomy,
        recent=recent,
        status=status,
        problem=status.unready(),
        warnings=[*_listener_warnings(settings), *_ledger_warnings(status)],
        failed=sum(ended for ended, _ in failures),
        failures=failures[:_MAX_FAILURES],
        zero_series=sum(total.delayed for total in recent.ledger.series),
        script_url=settings.url("ingest") + names.COLLECTOR_PATH,
        has_beacon_keys=settings.beacon_keys_file is not None,
    )


def _failures(taxonomy: Taxonomy, recent: Recent) -> list[tuple[int, Code]]:
    """Codes of failed sessions in the last 5 minutes, the most frequent first."""
    failures = [
        (ended, code)
        for system in taxonomy.systems.values()
        for code in system.all_codes
        if code.outcome is Outcome.FAILURE
        and (ended := recent.ends_within((code.system, code.code), 5))
    ]
    return sorted(failures, key=lambda failure: -failure[0])


def _listener_warnings(settings: Settings) -> Iterator[str]:
    for name in ("ingest", "ops"):
        address, token_file, cert = (
            getattr(settings, name + suffix) for suffix in ("", "_token_file", "_tls_cert")
        )
        if is_loopback(address.rpartition(":")[0]):
            continue
        if token_file is None:
            yield f"The {name} listener ({address}) is open: it requires no token."
        elif cert is None:
            yield f"The {name} listener ({address}) takes tokens without TLS."


def _ledger_warnings(status: Status) -> Iterator[str]:
    if status.damaged_at:
        day = datetime.fromtimestamp(status.damaged_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        yield f"A damaged ledger was moved aside on {day}; counts started again from 0."
    yield from status.misconfigured.values()
