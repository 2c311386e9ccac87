"""Finding codes by whatever someone remembers of them: a spelling, a system, a word."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from exporter.names import UNKNOWN
from exporter.taxonomy.model import Code, System, Taxonomy, normalise
from exporter.taxonomy.spellings import PREFIXES

_NUMBER: Final = re.compile(rf"(?:(?:{'|'.join(PREFIXES)}) )?(-?\d+)")
_SHORTEST: Final = 3
"""Letters of a word worth correcting: "tls" and "udp" are, "no" is not."""
_WORD: Final = re.compile(rf"[^\W\d_]{{{_SHORTEST},}}")


def scope(taxonomy: Taxonomy, words: Sequence[str]) -> tuple[list[System], str]:
    """The systems a query is about, all unless one of its words names one, and what remains."""
    tokens = " ".join(words).split()
    for place, token in enumerate(tokens):
        for system in taxonomy.systems.values():
            if normalise(token) in (normalise(system.system), normalise(system.title)):
                return [system], normalise(" ".join(tokens[:place] + tokens[place + 1 :]))
    return list(taxonomy.systems.values()), normalise(" ".join(tokens))


def spelled(taxonomy: Taxonomy, words: Sequence[str]) -> list[Code]:
    """The codes that the query is an accepted spelling of: at most one a system."""
    systems, asked = scope(taxonomy, words)
    if asked == UNKNOWN:
        return [system.unknown for system in systems]
    return [
        code for system in systems if asked and (code := system.match(asked)) is not system.unknown
    ]


def number(taxonomy: Taxonomy, words: Sequence[str]) -> str:
    """The number when the query is a number and nothing else, such as "05"; otherwise empty."""
    found = _NUMBER.fullmatch(scope(taxonomy, words)[1])
    return found[1] if found else ""


def search(taxonomy: Taxonomy, words: Sequence[str]) -> list[Code]:
    """The codes a query means, or else those whose row has all its words; no words find all.

    A word may name a system. A number is a code and never text: "17" must not find the row
    that says "17 minutes", but say that there is no code 17. Codes with the words in their names
    come first, otherwise the order is the taxonomy's.
    """
    if codes := spelled(taxonomy, words):
        return codes
    if number(taxonomy, words):
        return []
    systems, asked = scope(taxonomy, words)
    wanted = asked.split()
    found = [
        code for system in systems for code in system.codes if _has(wanted, _row(system, code))
    ]
    return sorted(found, key=lambda code: not _has(wanted, normalise(code.name)))


def near(taxonomy: Taxonomy, words: Sequence[str], most: int = 4) -> list[str]:
    """Queries close to one that found nothing, each of which finds something; the best first."""
    systems, asked = scope(taxonomy, words)
    if len(systems) < len(taxonomy.systems):
        if elsewhere := spelled(taxonomy, [asked]):
            return [f"{code.system} {asked}" for code in elsewhere]
        prefix = f"{systems[0].system} "
    else:
        prefix = ""
    if code := number(taxonomy, words):
        asked = code
    else:
        corrected = prefix + _corrected(taxonomy, systems, asked)
        if search(taxonomy, [corrected]):
            return [corrected]
    known = [spelling for system in systems for spelling in system.spellings]
    # Below 0.75 every short number is close to every other: 05 to 1005.
    close = get_close_matches(asked, dict.fromkeys(known), n=most, cutoff=0.75)
    return [prefix + spelling for spelling in close]


def _has(wanted: Iterable[str], text: str) -> bool:
    return all(word in text for word in wanted)


def _row(system: System, code: Code) -> str:
    return _text(code, system.categories.get(code.category, ""))


# Remembered: to normalise every row again was nearly all that a search took.
@lru_cache(maxsize=1024)
def _text(code: Code, category: str) -> str:
    """All that is searched of a code's row."""
    parts = (
        *(code.code, code.name, *code.aliases, code.description, code.causes, code.fix),
        *(code.phase, code.category, category, code.outcome, code.owner),
    )
    return normalise(" ".join(parts))


@lru_cache(maxsize=64)
def _vocabulary(rows: tuple[str, ...]) -> dict[str, None]:
    """The words worth correcting to, in the rows' order."""
    return dict.fromkeys(word for row in rows for word in _WORD.findall(row))


def _corrected(taxonomy: Taxonomy, systems: Iterable[System], asked: str) -> str:
    """The query with each word that no row has replaced by the nearest one that some row has."""
    rows = tuple(_row(system, code) for system in systems for code in system.codes)
    vocabulary = {**dict.fromkeys(taxonomy.systems), **_vocabulary(rows)}
    words = asked.split()
    for place, word in enumerate(words):
        # "no" is close to "not", and to little that anyone means.
        if len(word) < _SHORTEST or word in vocabulary:
            continue
        # Most words share less than half of its letters, which is told faster than how close they are.
        letters = set(word)
        alike = [one for one in vocabulary if 2 * len(letters.intersection(one)) >= len(letters)]
        close = get_close_matches(word, alike, n=1)
        words[place] = close[0] if close else word
    return " ".join(words)
