"""The pages about codes and alerts, each from what was asked to the whole answer.

Imported with the first of them: the runbooks, and what finds codes, take some 0.2 s to import.
"""

from starlette.responses import RedirectResponse, Response

from exporter import names
from exporter.ingest.unknown import UnknownCodes
from exporter.lookup.search import near, search
from exporter.ops.codes import codes, rows_of
from exporter.ops.history import Recent
from exporter.ops.links import code_path
from exporter.ops.missing import missing_alert, missing_code
from exporter.ops.page import page
from exporter.ops.render import render
from exporter.ops.runbook import alert_page, code_page
from exporter.rule_files import alerts as alert_rules
from exporter.settings import Settings
from exporter.taxonomy.model import LONGEST_SPELLING, Code, System, Taxonomy


class Manual:
    """Not safe to call from two threads at once."""

    def __init__(
        self, settings: Settings, taxonomy: Taxonomy, unknown_codes: UnknownCodes
    ) -> None:
        self._settings = settings
        self._taxonomy = taxonomy
        self._unknown_codes = unknown_codes
        self._rows = rows_of(taxonomy)

    def codes(self, recent: Recent, asked: str) -> Response:
        """The table of codes; `asked` is the query, empty for all."""
        query = asked.strip()[:LONGEST_SPELLING]
        found = search(self._taxonomy, [query]) if query else [row.code for row in self._rows]
        close = [] if found else near(self._taxonomy, [query])
        title = f"{query} · Codes" if query else "Codes"
        return page(title, codes(self._rows, recent, query, found, close), script="codes")

    def code(self, recent: Recent, system: str, code: str) -> Response:
        """The runbook of a code; any accepted spelling leads to it, and none is a page with 404."""
        owner = self._taxonomy.systems.get(system)
        if owner is not None:
            if (row := _row(owner, code)) is not None:
                return self._runbook(owner, row, recent)
            if (meant := owner.match(code)) is not owner.unknown:
                return RedirectResponse(code_path(meant))
        return page("No such code", missing_code(self._taxonomy, system, code), status=404)

    def alerts(self) -> Response:
        """The list of alerts."""
        of_exporter = [alert for alert in alert_rules() if alert.signal == "exporter"]
        of_sessions = [alert for alert in alert_rules() if alert.signal != "exporter"]
        groups = (("Sessions", of_sessions), ("The exporter", of_exporter))
        return render("alerts.html", groups=groups)

    def alert(self, name: str) -> Response:
        """The runbook of an alert; a name that no alert has is a page with 404."""
        named = {alert.name: alert for alert in alert_rules()}
        if name not in named:
            return page("No such alert", missing_alert(name, list(named)), status=404)
        return alert_page(named[name], self._settings)

    def _runbook(self, system: System, code: Code, recent: Recent) -> Response:
        raw = (
            row
            for row in self._unknown_codes.snapshot()
            if code.code == names.UNKNOWN and row.system == system.system
        )
        return code_page(system, code, self._settings, recent, raw)


def _row(system: System, code: str) -> Code | None:
    return next((one for one in (*system.codes, system.unknown) if one.code == code), None)
