"""The pages about codes and alerts, each from what was asked to the whole answer.

Imported with the first of them: the runbooks, and what finds codes, take some 0.2 s to import.
"""

from starlette.responses import RedirectResponse, Response

from exporter import names
from exporter.ingest.unknown import UnknownCodes
from exporter.lookup.search import near, search
from exporter.ops.alerts import alerts, runbook_of
from exporter.ops.codes import codes, rows_of
from exporter.ops.conditions import condition
from exporter.ops.history import Recent
from exporter.ops.links import code_path
from exporter.ops.missing import missing_alert, missing_code
from exporter.ops.page import page
from exporter.ops.runbook import Alert, alert_page, runbook
from exporter.ops.shelf import Shelf
from exporter.render.catalog import Subject
from exporter.taxonomy.model import LONGEST_SPELLING, Code, System, Taxonomy


class Manual:
    """Not safe to call from two threads at once."""

    def __init__(self, taxonomy: Taxonomy, unknown_codes: UnknownCodes) -> None:
        self._taxonomy = taxonomy
        self._unknown_codes = unknown_codes
        self._shelf = Shelf(taxonomy)
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
        return page("Alerts", alerts(self._shelf.alerts, self._shelf.mistake))

    def alert(self, name: str) -> Response:
        """The runbook of an alert; a code's is on the code's page, and none is a page with 404."""
        subject = self._shelf.alert(name)
        if subject is None:
            close = self._shelf.near(name[:LONGEST_SPELLING])
            return page("No such alert", missing_alert(name, close), status=404)
        if subject.code is not None:
            return RedirectResponse(runbook_of(subject))
        body = alert_page(self._shelf.of_alert(subject), self._alert(subject))
        return page(subject.alert, body, script="copy")

    def _runbook(self, system: System, code: Code, recent: Recent) -> Response:
        book = self._shelf.of_code(code)
        raw = (
            one
            for one in self._unknown_codes.snapshot()
            if code.code == names.UNKNOWN and one.system == system.system
        )
        about = [self._alert(one) for one in self._shelf.alerts_of(code)]
        return page(book.title, runbook(system, code, book, about, recent, raw), script="copy")

    def _alert(self, subject: Subject) -> Alert:
        meaning = "" if subject.code is None else self._shelf.signals[subject.signal]
        return Alert(subject.alert, meaning, condition(self._shelf.pack, subject))


def _row(system: System, code: str) -> Code | None:
    return next((one for one in (*system.codes, system.unknown) if one.code == code), None)
