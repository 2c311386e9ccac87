"""The pages about codes and alerts: the lists, each runbook by its path, and 404 pages with similar names.

Imported with the first of these pages: the runbooks and the search take some 0.2 s to import.
"""

from dataclasses import dataclass
from difflib import get_close_matches

from starlette.responses import RedirectResponse, Response

from exporter import names
from exporter.ingest.unknown import UnknownCodes
from exporter.lookup.search import near, search
from exporter.ops.history import Recent
from exporter.ops.links import code_path
from exporter.ops.render import render
from exporter.ops.runbook import alert_page, code_page
from exporter.rule_files import alerts as alert_rules
from exporter.settings import Settings
from exporter.taxonomy.model import LONGEST_SPELLING, Code, System, Taxonomy, normalise

_MOST = 5
"""Similar names on a 404 page."""
_CUTOFF = 0.7
"""How close an alert's name is to a similar name, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """A code, the title of its system, and normalized text for the script: accepted spellings, joined by
    `|`, and all words of the row."""

    code: Code
    title: str
    spellings: str
    words: str


class RunbookIndex:
    """Not safe to call from two threads at once."""

    def __init__(self, settings: Settings, taxonomy: Taxonomy, unknown_codes: UnknownCodes) -> None:
        self._settings = settings
        self._taxonomy = taxonomy
        self._unknown_codes = unknown_codes
        self._rows = _rows(taxonomy)

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
            return self._code_not_found(system, code)
        for candidate in (*owner.codes, owner.unknown):
            if candidate.code == code:
                raw = [row for row in self._unknown_codes.snapshot() if row.system == system]
                raw = raw if code == names.UNKNOWN else []
                return code_page(owner, candidate, self._settings, recent, raw)
        if (spelled := owner.match(code)) is not owner.unknown:
            return RedirectResponse(code_path(spelled))
        return self._code_not_found(system, code)

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
        known = [alert.name for alert in alert_rules()]
        close = get_close_matches(name[:LONGEST_SPELLING], known, n=_MOST, cutoff=_CUTOFF)
        return render("alert_not_found.html", status_code=404, name=name, similar=close)

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
    """Codes that may be meant, the likeliest first: of the system, otherwise of all systems."""
    for words in ([system, code], [code]) if system in taxonomy.systems else ([code],):
        matches = search(taxonomy, words)
        for query in near(taxonomy, words) if not matches else ():
            matches += search(taxonomy, [query])
        if matches:
            return list(dict.fromkeys(matches))[:_MOST]
    return []


def _rows(taxonomy: Taxonomy) -> tuple[Row, ...]:
    """A row for every code, `unknown` last in its system."""
    return tuple(
        Row(code, system.title, "|".join(_spellings(system, code)), normalise(_words(system, code)))
        for system in taxonomy.systems.values()
        for code in (*system.codes, system.unknown)
    )


def _spellings(system: System, code: Code) -> dict[str, None]:
    accepted = [spelling for spelling, match in system.spellings.items() if match is code]
    return dict.fromkeys((*accepted, normalise(code.code)))


def _words(system: System, code: Code) -> str:
    category = system.categories.get(code.category, "")
    names = (system.system, system.title, code.code, code.name, *code.aliases)
    groups = (code.phase, code.category, category, code.outcome, code.owner, code.severity)
    return " ".join((*names, *groups, code.description, code.causes, code.fix))
