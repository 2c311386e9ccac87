"""The accepted spellings of a code, by rule and by alias."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from exporter.taxonomy.model import Code, normalize

PREFIXES: Final = ("error code", "error", "code")
"""Accepted before a code: Softdrive's client shows "Error Code 01"."""


def numbers(code: str) -> tuple[str, ...]:
    """The code as written, and a padded number also without its leading zeros: `"01"`, `"1"`."""
    if code.isascii() and code.isdigit() and (short := code.lstrip("0") or "0") != code:
        return (code, short)
    return (code,)


def shared_names(codes: Iterable[Code]) -> frozenset[str]:
    """The normalized names of more than one code. They are accepted for none of them."""
    counts = Counter(normalize(code.name) for code in codes)
    return frozenset(name for name, count in counts.items() if count > 1)


def spellings_of(code: Code, shared: frozenset[str]) -> Iterator[str]:
    """Every accepted spelling of one code, normalized, without repetition, the code itself first."""
    written = list(numbers(code.code))
    if normalize(code.name) not in shared:
        written.append(code.name)
    written += code.aliases
    written += [f"{prefix} {number}" for prefix in PREFIXES for number in numbers(code.code)]
    yield from dict.fromkeys(normalize(spelling) for spelling in written)


def index(codes: Sequence[Code]) -> tuple[dict[str, Code], dict[tuple[Code, Code], list[str]]]:
    """The code of each spelling, and the clashes: pairs of codes with the spellings they share."""
    shared = shared_names(codes)
    spellings: dict[str, Code] = {}
    clashes: dict[tuple[Code, Code], list[str]] = {}
    for code in codes:
        for spelling in spellings_of(code, shared):
            other = spellings.setdefault(spelling, code)
            if other is not code:
                clashes.setdefault((other, code), []).append(spelling)
    return spellings, clashes
