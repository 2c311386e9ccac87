"""Searches codes by spelling, system or words, and suggests corrections of a query."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from exporter.names import UNKNOWN
from exporter.taxonomy.model import Code, System, Taxonomy
from exporter.taxonomy.spellings import PREFIXES, normalize

_NUMBER: Final = re.compile(rf"(?:(?:{'|'.join(PREFIXES)}) )?(-?\d+)")
_MIN_LENGTH: Final = 3
"""Letters. Shorter words are not corrected: "tls" is, "no" is not."""
_SIMILAR: Final = 0.8
"""The cutoff of difflib: "fierwall" matches "firewall"; "nosuch" does not match "enough"."""
_WORD: Final = re.compile(rf"[^\W\d_]{{{_MIN_LENGTH},}}")


def scope(taxonomy: Taxonomy, words: Sequence[str]) -> tuple[list[System], str]:
    """The system that a word names, else all systems; and the other words, normalized."""
    tokens = " ".join(words).split()
    for i, token in enumerate(tokens):
        for system in taxonomy.systems.values():
            if normalize(token) in (normalize(system.system), normalize(system.title)):
                return [system], normalize(" ".join(tokens[:i] + tokens[i + 1 :]))
    return list(taxonomy.systems.values()), normalize(" ".join(tokens))


def spelled(taxonomy: Taxonomy, words: Sequence[str]) -> list[Code]:
    """The codes for which the query is an accepted spelling, at most one per system."""
    systems, query = scope(taxonomy, words)
    if query == UNKNOWN:
        return [system.unknown for system in systems]
    return [
        code for system in systems if query and (code := system.match(query)) is not system.unknown
    ]


def number(taxonomy: Taxonomy, words: Sequence[str]) -> str:
    """The number, such as "05", if the query is a number; otherwise empty."""
    match = _NUMBER.fullmatch(scope(taxonomy, words)[1])
    return match[1] if match else ""


def search(taxonomy: Taxonomy, words: Sequence[str]) -> list[Code]:
    """The codes with this spelling, else the codes whose rows have all words; all codes for no words.

    A word may name a system. A number is never searched in texts: "17" must not match "17 minutes".
    Codes with the words in their names come first; otherwise the order is the taxonomy's.
    """
    if codes := spelled(taxonomy, words):
        return codes
    if number(taxonomy, words):
        return []
    systems, query = scope(taxonomy, words)
    matches = [
        code
        for system in systems
        for code in system.codes
        if _has_words(row_text(system, code), query)
    ]
    return sorted(matches, key=lambda code: not _has_words(normalize(code.name), query))


def near(taxonomy: Taxonomy, words: Sequence[str]) -> list[str]:
    """At most 4 suggestions for a query without matches, the best first. Each suggestion has matches."""
    systems, query = scope(taxonomy, words)
    prefix = ""
    if len(systems) < len(taxonomy.systems):
        if elsewhere := spelled(taxonomy, [query]):
            return [f"{code.system} {query}" for code in elsewhere]
        prefix = f"{systems[0].system} "
    if code := number(taxonomy, words):
        query = code
    else:
        corrected = prefix + _corrected(taxonomy, systems, query)
        if search(taxonomy, [corrected]):
            return [corrected]
    known = dict.fromkeys(spelling for system in systems for spelling in system.spellings)
    # With a lower cutoff, every short number is close to every other: 05 to 1005.
    close = get_close_matches(query, known, n=4, cutoff=0.75)
    return [prefix + spelling for spelling in close]


def row_text(system: System, code: Code) -> str:
    """The searched text of a code's row, normalized."""
    return _row_text(code, system.categories.get(code.category, ""))


# Cached: normalizing every row took most of the time of a search.
@lru_cache(maxsize=1024)
def _row_text(code: Code, category: str) -> str:
    parts = (
        *(code.code, code.name, *code.aliases, code.description, code.causes, code.fix),
        *(code.phase, code.category, category, code.outcome, code.owner),
    )
    return normalize(" ".join(parts))


def _has_words(text: str, query: str) -> bool:
    return all(word in text for word in query.split())


def _corrected(taxonomy: Taxonomy, systems: Iterable[System], query: str) -> str:
    """The query with each word that no row has replaced by the closest word of a row."""
    vocabulary = dict.fromkeys(taxonomy.systems)
    for system in systems:
        for code in system.codes:
            vocabulary |= dict.fromkeys(_WORD.findall(row_text(system, code)))
    words = query.split()
    for i, word in enumerate(words):
        if len(word) < _MIN_LENGTH or word in vocabulary:
            continue
        # A cheap filter before difflib: words that share less than half of the letters.
        letters = set(word)
        alike = [w for w in vocabulary if 2 * len(letters.intersection(w)) >= len(letters)]
        words[i] = next(iter(get_close_matches(word, alike, cutoff=_SIMILAR)), word)
    return " ".join(words)
