"""The page for a code or an alert that is not there: what it may be, and how to find it."""

from collections.abc import Sequence
from difflib import get_close_matches

from exporter import names
from exporter.lookup.search import near, search
from exporter.ops.links import alert_path, code_path, search_path
from exporter.ops.markup import Html, element, items, joined, link
from exporter.taxonomy.model import LONGEST_SPELLING, Code, Taxonomy

_MOST = 5
_CLOSE = 0.7


def missing_code(taxonomy: Taxonomy, system: str, code: str) -> Html:
    """The body for a (system, code) that no taxonomy has."""
    owner = taxonomy.systems.get(system)
    if owner is None:
        said = joined(
            "The systems are ", ", ".join(taxonomy.systems), "; events of another are rejected."
        )
    else:
        said = joined(
            f"{owner.title} documents no such code. Events with it are counted as ",
            link(code_path(owner.unknown), names.UNKNOWN),
            ", as failures; ",
            link(names.UNKNOWN_CODES_PATH, "the list of unknown codes"),
            " has them as they came.",
        )
    found = nearest(taxonomy, system[:LONGEST_SPELLING], code[:LONGEST_SPELLING])
    links = [link(code_path(one), f"{one.system} {one.code} {one.name}") for one in found]
    if owner is None:
        return _missing(f"No system {system}", said, links, link(names.CODES_PATH, "All codes"))
    every = link(search_path(owner.system), f"All codes of {owner.title}")
    return _missing(f"{owner.title} has no code {code}", said, links, every)


def nearest(taxonomy: Taxonomy, system: str, code: str) -> list[Code]:
    """Codes that may be meant, the likeliest first: of the system, then of all."""
    for words in ([system, code], [code]) if system in taxonomy.systems else ([code],):
        found = search(taxonomy, words)
        for query in near(taxonomy, words) if not found else ():
            found += search(taxonomy, [query])
        if found:
            return list(dict.fromkeys(found))[:_MOST]
    return []


def missing_alert(name: str, known: Sequence[str]) -> Html:
    """The body for a name that is not among the `known` alerts."""
    close = get_close_matches(name[:LONGEST_SPELLING], known, n=_MOST, cutoff=_CLOSE)
    links = [link(alert_path(alert), alert) for alert in close]
    said = joined("It may come from rules of another version, or from rules of your own.")
    return _missing(f"No alert {name}", said, links, link(names.ALERTS_PATH, "All alerts"))


def _missing(title: str, said: Html, close: Sequence[Html], every: Html) -> Html:
    return joined(
        element("nav", items(link("/", "session-end-exporter")), aria_label="Back"),
        element(
            "main",
            element("h1", title),
            element("p", said),
            joined(element("h2", "Perhaps"), items(*close)) if close else Html(),
            element("p", every),
        ),
    )
