"""The pages about codes and alerts: the lists, and each runbook by its path.

Imported with the first of these pages: the runbooks and the search take some 0.2 s to import.
"""

from starlette.responses import RedirectResponse, Response

from exporter import names
from exporter.ingest.unknown import UnknownCodes
from exporter.lookup.search import near, search
from exporter.ops.codes import rows_of
from exporter.ops.history import Recent
from exporter.ops.links import code_path
from exporter.ops.not_found import alert_not_found, code_not_found
from exporter.ops.render import render
from exporter.ops.runbook import alert_page, code_page
from exporter.rule_files import alerts as alert_rules
from exporter.settings import Settings
from exporter.taxonomy.model import LONGEST_SPELLING, Taxonomy


class RunbookIndex:
    """Not safe to call from two threads at once."""

    def __init__(
        self, settings: Settings, taxonomy: Taxonomy, unknown_codes: UnknownCodes
    ) -> None:
        self._settings = settings
        self._taxonomy = taxonomy
        self._unknown_codes = unknown_codes
        self._rows = rows_of(taxonomy)

    def codes(self, recent: Recent, text: str) -> Response:
        """The table of codes; `text` is the query, empty for all codes."""
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

    def code(self, recent: Recent, system: str, code: str) -> Response:
        """The runbook of a code; another accepted spelling redirects to it, an unknown code is a 404."""
        owner = self._taxonomy.systems.get(system)
        if owner is None:
            return code_not_found(self._taxonomy, system, code)
        for candidate in (*owner.codes, owner.unknown):
            if candidate.code == code:
                raw = [row for row in self._unknown_codes.snapshot() if row.system == system]
                raw = raw if code == names.UNKNOWN else []
                return code_page(owner, candidate, self._settings, recent, raw)
        if (spelled := owner.match(code)) is not owner.unknown:
            return RedirectResponse(code_path(spelled))
        return code_not_found(self._taxonomy, system, code)

    def alerts(self) -> Response:
        """The list of alerts."""
        of_exporter = [alert for alert in alert_rules() if alert.signal == "exporter"]
        of_sessions = [alert for alert in alert_rules() if alert.signal != "exporter"]
        groups = (("Sessions", of_sessions), ("The exporter", of_exporter))
        return render("alerts.html", groups=groups)

    def alert(self, name: str) -> Response:
        """The runbook of an alert; an unknown name is a 404."""
        for alert in alert_rules():
            if alert.name == name:
                return alert_page(alert, self._settings)
        return alert_not_found(name, [alert.name for alert in alert_rules()])
