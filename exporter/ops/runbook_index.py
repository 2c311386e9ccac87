"""The pages of codes and alerts: lists, runbooks, and 404 pages with similar names."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from starlette.responses import RedirectResponse, Response

from exporter import runbooks
from exporter.ingest.unknown import UnknownCodes
from exporter.lookup.facts import facts
from exporter.lookup.search import near, row_text, search
from exporter.ops.recent_ends import Recent
from exporter.ops.render import render
from exporter.rule_files import alerts as alert_rules
from exporter.rule_files import alerts_of
from exporter.settings import Settings
from exporter.streams import printable
from exporter.taxonomy.model import LONGEST_SPELLING, Code, System, Taxonomy
from exporter.taxonomy.spellings import normalize

_MAX_SIMILAR: Final = 5
"""Similar names on a 404 page."""
_MIN_SIMILARITY: Final = 0.7
_MAX_RAW: Final = 10
"""Unknown codes on the page of `unknown`, the most frequent first."""


@dataclass(frozen=True, slots=True)
class Row:
    """A code in the table. `spellings`, joined by `|`, and `words` are normalized text for the script."""

    code: Code
    title: str
    spellings: str
    words: str


class RunbookIndex:
    def __init__(self, settings: Settings, taxonomy: Taxonomy, unknown_codes: UnknownCodes) -> None:
        self._settings = settings
        self._taxonomy = taxonomy
        self._unknown_codes = unknown_codes
        self._links = runbooks.QueryLinks(settings.prometheus_url, settings.dashboard_url)
        self._rows = [
            _row(system, code) for system in taxonomy.systems.values() for code in system.all_codes
        ]

    def codes(self, recent: Recent, text: str) -> Response:
        """The table of codes that match the query `text`, empty for all codes."""
        query = text.strip()[:LONGEST_SPELLING]
        matches = search(self._taxonomy, [query]) if query else [row.code for row in self._rows]
        return render(
            "codes.html",
            rows=self._rows,
            recent=recent,
            query=query,
            matches={(code.system, code.code) for code in matches},
            suggestions=[] if matches else near(self._taxonomy, [query]),
        )

    def code(self, recent: Recent, problem: str | None, system: str, code: str) -> Response:
        """The runbook of a code; another accepted spelling redirects to it.

        `problem` is why the exporter is not ready: the page then has incomplete counts.
        """
        loaded = self._taxonomy.systems.get(system)
        if loaded is None:
            return self._code_not_found(system, code)
        for candidate in loaded.all_codes:
            if candidate.code == code:
                return self._runbook(loaded, candidate, recent, problem)
        if (match := loaded.match(code)) is not loaded.unknown:
            return RedirectResponse(match.runbook)
        return self._code_not_found(system, code)

    def alerts(self) -> Response:
        own = ("exporter", "watchdog")
        exporter = [alert for alert in alert_rules() if alert.signal in own]
        sessions = [alert for alert in alert_rules() if alert.signal not in own]
        return render("alerts.html", groups=(("Sessions", sessions), ("The exporter", exporter)))

    def alert(self, name: str) -> Response:
        alerts = {alert.name: alert for alert in alert_rules()}
        if alert := alerts.get(name):
            return render("alert.html", alert=alert, runbook=runbooks.of_alert(name, self._links))
        similar = get_close_matches(
            name[:LONGEST_SPELLING], alerts, n=_MAX_SIMILAR, cutoff=_MIN_SIMILARITY
        )
        return render("alert_not_found.html", status_code=404, name=name, similar=similar)

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

    def _code_not_found(self, system: str, code: str) -> Response:
        return render(
            "code_not_found.html",
            status_code=404,
            name=system,
            code=code,
            system=self._taxonomy.systems.get(system),
            systems=self._taxonomy.systems,
            similar=_similar(self._taxonomy, system[:LONGEST_SPELLING], code[:LONGEST_SPELLING]),
        )


def _similar(taxonomy: Taxonomy, system: str, code: str) -> list[Code]:
    """Similar codes of the system, or of all systems if it has none, the best first."""
    for words in ([system, code], [code]) if system in taxonomy.systems else ([code],):
        matches = search(taxonomy, words)
        for query in near(taxonomy, words) if not matches else ():
            matches += search(taxonomy, [query])
        if matches:
            return list(dict.fromkeys(matches))[:_MAX_SIMILAR]
    return []


def _row(system: System, code: Code) -> Row:
    accepted = [spelling for spelling, match in system.spellings.items() if match is code]
    spellings = "|".join(dict.fromkeys((*accepted, normalize(code.code))))
    names_of_system = normalize(f"{system.system} {system.title} {code.worst_severity}")
    return Row(code, system.title, spellings, f"{names_of_system} {row_text(system, code)}")
