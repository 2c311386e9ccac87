"""The spellings of a code: what a sender may write for it, by rule and by alias."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from exporter.taxonomy.model import Code, normalise

PREFIXES: Final = ("error code", "error", "code")
"""Words that may stand before a code: Softdrive's client shows "Error Code 01"."""


def numbers(code: str) -> tuple[str, ...]:
    """The code as written and, for a padded number, without the zeros in front: `"01"`, `"1"`."""
    if code.isascii() and code.isdigit() and (short := code.lstrip("0") or "0") != code:
        return (code, short)
    return (code,)


def shared_names(codes: Iterable[Code]) -> frozenset[str]:
    """The normalised names that more than one code has, and that therefore mean none of them."""
    counts = Counter(normalise(code.name) for code in codes)
    return frozenset(name for name, count in counts.items() if count > 1)


def spellings_of(code: Code, shared: frozenset[str]) -> Iterator[str]:
    """Every accepted spelling of one code, normalised, none twice, the canonical one first."""
    written = list(numbers(code.code))
    if normalise(code.name) not in shared:
        written.append(code.name)
    written += code.aliases
    written += [f"{prefix} {number}" for prefix in PREFIXES for number in numbers(code.code)]
    yield from dict.fromkeys(normalise(spelling) for spelling in written)


def index(codes: Sequence[Code]) -> tuple[dict[str, Code], dict[tuple[Code, Code], list[str]]]:
    """Spelling to code, and the clashes: two codes with the spellings they share."""
    shared = shared_names(codes)
    found: dict[str, Code] = {}
    clashes: dict[tuple[Code, Code], list[str]] = {}
    for code in codes:
        for spelling in spellings_of(code, shared):
            holder = found.setdefault(spelling, code)
            if holder is not code:
                clashes.setdefault((holder, code), []).append(spelling)
    return found, clashes
