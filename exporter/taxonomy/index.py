"""The spellings of a system's codes, and the spellings that mean two codes."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.taxonomy.spellings import compact, meanings, normalize, pattern

if TYPE_CHECKING:
    from exporter.taxonomy.model import Code


@dataclass(slots=True)
class Index:
    """`plain` maps readable spellings to codes, `compact` every compact spelling to names of codes.

    `possible` is the `pattern` of the latter. `clashes` has spellings, each with two codes that it means.
    """

    plain: dict[str, "Code"] = field(default_factory=dict)
    compact: dict[str, frozenset[str]] = field(default_factory=dict)
    possible: re.Pattern[str] = field(init=False)
    clashes: list[tuple[str, str, str]] = field(default_factory=list)


def index(codes: Sequence["Code"]) -> Index:
    result = Index()
    for code in codes:
        for text in (*numbers(code.code), code.name, *code.aliases):
            # A text without words, such as "%", is accepted as it is written only.
            if key := compact(text):
                result.compact[key] = result.compact.get(key, frozenset()) | {code.code}
    result.possible = pattern(result.compact)
    shared = shared_names(codes)
    for code in codes:
        names = () if normalize(code.name) in shared else (code.name,)
        for spelling in map(normalize, (*numbers(code.code), *names, *code.aliases)):
            first = result.plain.setdefault(spelling, code)
            meant = meanings(spelling, result.compact, result.possible)
            others = {first.code, *meant} - {code.code}
            result.clashes += [(spelling, code.code, other) for other in others]
    return result


def numbers(code: str) -> tuple[str, ...]:
    """The code as written, and a padded number also without its leading zeros: `"01"`, `"1"`."""
    if code.isascii() and code.isdigit() and (short := code.lstrip("0") or "0") != code:
        return (code, short)
    return (code,)


def shared_names(codes: Iterable["Code"]) -> frozenset[str]:
    """The normalized names of more than one code. They are accepted together with a number only."""
    keys = {code.name: compact(code.name) or normalize(code.name) for code in codes}
    counts = Counter(keys[code.name] for code in codes)
    return frozenset(normalize(name) for name, key in keys.items() if counts[key] > 1)
