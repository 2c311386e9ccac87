"""The HTML pages: the landing page, and lists, runbooks and 404 pages of codes and alerts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from starlette.responses import RedirectResponse, Response

import exporter
from exporter import names, runbooks
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import Status
from exporter.lookup.codes import facts, near, search
from exporter.ops.recent_ends import Recent
from exporter.ops.render import render
from exporter.rule_files import alerts as alert_rules
from exporter.rule_files import alerts_of
from exporter.settings import Settings, is_loopback
from exporter.streams import printable
from exporter.taxonomy.model import LONGEST_SPELLING, Code, Outcome, System, Taxonomy

_MAX_FAILURES: Final = 10
_MAX_RAW: Final = 10
"""Unknown codes on the page of `unknown`, the most frequent first."""


class Pages:
    def __init__(self, settings: Settings, taxonomy: Taxonomy, unknown_codes: UnknownCodes) -> None:
        self._settings = settings
        self._taxonomy = taxonomy
        self._unknown_codes = unknown_codes
        self._links = runbooks.QueryLinks(settings.prometheus_url, settings.dashboard_url)
        self._codes = [code for system in taxonomy.systems.values() for code in system.all_codes]

    def landing_page(self, recent: Recent, status: Status) -> Response:
        """Readiness, warnings and counts."""
        failures = _failures(self._taxonomy, recent)
        return render(
            "landing_page.html",
            version=exporter.__version__,
            taxonomy=self._taxonomy,
            recent=recent,
            status=status,
            problem=status.unready(),
            warnings=[*_listener_warnings(self._settings), *_ledger_warnings(status)],
            failed=sum(ended for ended, _ in failures),
            failures=failures[:_MAX_FAILURES],
            zero_series=sum(total.delayed for total in recent.ledger.series),
            script_url=self._settings.url("ingest") + names.COLLECTOR_PATH,
            has_beacon_keys=self._settings.beacon_keys_file is not None,
        )

    def codes(self, recent: Recent, text: str) -> Response:
        """The table of codes that match the query `text`, empty for all codes."""
        query = text.strip()[:LONGEST_SPELLING]
        matches = search(self._taxonomy, [query]) if query else self._codes
        return render(
            "codes.html",
            systems=self._taxonomy.systems,
            recent=recent,
            query=query,
            matches=matches,
            number=len(self._codes),
            suggestions=[] if matches else near(self._taxonomy, [query]),
        )

    def code(self, recent: Recent, problem: str | None, system: str, code: str) -> Response:
        """The runbook of a code; another accepted spelling redirects to it.

        `problem` is why the exporter is not ready: the page then has incomplete counts.
        """
        if loaded := self._taxonomy.systems.get(system):
            match = loaded.match(code)
            if match.code == code:
                return self._runbook(loaded, match, recent, problem)
            if match is not loaded.unknown:
                return RedirectResponse(match.runbook)
        return render(
            "code_not_found.html",
            status_code=404,
            name=system,
            code=code,
            system=loaded,
            systems=self._taxonomy.systems,
        )

    def alerts(self) -> Response:
        own = ("exporter", "watchdog")
        exporters = [alert for alert in alert_rules() if alert.signal in own]
        sessions = [alert for alert in alert_rules() if alert.signal not in own]
        return render("alerts.html", groups=(("Sessions", sessions), ("The exporter", exporters)))

    def alert(self, name: str) -> Response:
        alerts = {alert.name: alert for alert in alert_rules()}
        if alert := alerts.get(name):
            return render("alert.html", alert=alert, runbook=runbooks.of_alert(name, self._links))
        return render("alert_not_found.html", status_code=404, name=name)

    def _runbook(self, system: System, code: Code, recent: Recent, problem: str | None) -> Response:
        raw = [
            (printable(row.code), row.count, row.last_seen)
            for row in sorted(self._unknown_codes.snapshot(), key=lambda row: -row.count)
            if row.system == system.system and code is system.unknown
        ]
        runbook, diagnosis = runbooks.of_code(system, code, self._settings.taxonomy, self._links)
        return render(
            "code.html",
            system=system,
            code=code,
            category=system.categories.get(code.category, code.category),
            recent=recent,
            problem=problem,
            raw=raw[:_MAX_RAW],
            runbook=runbook,
            diagnosis=diagnosis,
            facts=[fact for fact in facts(system, code) if fact[0] != "Runbook"],
            alerts=alerts_of(code),
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
