"""The page at `/`: whether events are taken, what was counted, and warnings."""

from collections import Counter
from functools import cache
from typing import Any, Final

from starlette.responses import Response

import exporter
from exporter import names
from exporter.beacons import script
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import OF_SESSIONS, Family, Status, Totals
from exporter.metrics.own import OwnMetrics
from exporter.ops.history import Recent
from exporter.ops.notices import count, notices
from exporter.ops.readiness import unready
from exporter.ops.render import render
from exporter.settings import Settings, base_url
from exporter.taxonomy.model import Code, Outcome, Taxonomy

_MOST: Final = 10
"""Codes in the table of failures."""
_RECOVERED: Final = "recovered"
_COLUMNS: Final = (*(outcome.value for outcome in Outcome), _RECOVERED)


def landing_page(
    settings: Settings,
    taxonomy: Taxonomy,
    recent: Recent,
    status: Status,
    own: OwnMetrics,
    unknown_codes: UnknownCodes,
) -> Response:
    """The whole page."""
    failures = _failures(taxonomy, recent)
    return render(
        "landing_page.html",
        version=exporter.__version__,
        taxonomy=taxonomy,
        recent=recent,
        status=status,
        problem=unready(status),
        notices=notices(settings, status, own, unknown_codes),
        accepted=count(own.accepted),
        failed=sum(ended for ended, _ in failures),
        failures=failures[:_MOST],
        columns=_COLUMNS,
        ends=_ends(recent.ledger),
        zero_series=sum(total.delayed for total in recent.ledger.series),
        collector=collector(settings, _script()),
    )


def collector(settings: Settings, loaded: script.Script | None) -> dict[str, Any] | None:
    """The element that loads the collector, with its integrity hash; None in a build without the script.

    The version is in the address too, so that no cache hands an older script to a newer element.
    """
    if loaded is None:
        return None
    base = base_url(settings.ingest, settings.ingest_tls_cert is not None)
    element = (
        f'<script src="{base}{names.COLLECTOR_PATH}?v={loaded.version}" '
        f'integrity="{loaded.integrity}" crossorigin="anonymous" data-key="YOUR-KEY"></script>'
    )
    keys = settings.beacon_keys_file is not None
    return {"element": element, "integrity": loaded.integrity, "has_keys": keys}


@cache
def _script() -> script.Script | None:
    return script.load() if script.FILE.exists() else None


def _failures(taxonomy: Taxonomy, recent: Recent) -> list[tuple[int, Code]]:
    """Codes of failed sessions in the last 5 minutes, the most frequent first."""
    failures = [
        (ended, code)
        for system in taxonomy.systems.values()
        for code in (*system.codes, system.unknown)
        if code.outcome is Outcome.FAILURE and (ended := recent.ended((code.system, code.code), 5))
    ]
    return sorted(failures, key=lambda failure: -failure[0])


def _ends(totals: Totals) -> Counter[tuple[str, str]]:
    """By system and column: final ends of each outcome, late ones included, and interruptions."""
    ends: Counter[tuple[str, str]] = Counter()
    for total in totals.series:
        series = total.series
        if series.family in OF_SESSIONS:
            column = _RECOVERED if series.family is Family.INTERRUPTIONS else series.outcome
            ends[series.system, column] += total.value
    return ends
