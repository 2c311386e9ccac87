"""The 404 page of a code or an alert: similar names, and where the whole list is."""

from collections.abc import Sequence
from difflib import get_close_matches

from starlette.responses import Response

from exporter.lookup.search import near, search
from exporter.ops.render import render
from exporter.taxonomy.model import LONGEST_SPELLING, Code, Taxonomy

_MOST = 5
_CUTOFF = 0.7


def code_not_found(taxonomy: Taxonomy, system: str, code: str) -> Response:
    """For a (system, code) that no taxonomy has."""
    return render(
        "code_not_found.html",
        status_code=404,
        name=system,
        code=code,
        system=taxonomy.systems.get(system),
        systems=taxonomy.systems,
        similar=similar(taxonomy, system[:LONGEST_SPELLING], code[:LONGEST_SPELLING]),
    )


def similar(taxonomy: Taxonomy, system: str, code: str) -> list[Code]:
    """Codes that may be meant, the likeliest first: of the system, otherwise of all systems."""
    for words in ([system, code], [code]) if system in taxonomy.systems else ([code],):
        matches = search(taxonomy, words)
        for query in near(taxonomy, words) if not matches else ():
            matches += search(taxonomy, [query])
        if matches:
            return list(dict.fromkeys(matches))[:_MOST]
    return []


def alert_not_found(name: str, known: Sequence[str]) -> Response:
    """For a name that is not among the `known` alerts."""
    close = get_close_matches(name[:LONGEST_SPELLING], known, n=_MOST, cutoff=_CUTOFF)
    return render("alert_not_found.html", status_code=404, name=name, similar=close)
