"""The rule by which a text means a code, for every command and route.

| step | example |
|---|---|
| case, spaces, punctuation, Unicode's variants | `="01"`, `０１`, `Guest-Agent`, `monitorTopologyFail` |
| a whole number as a decimal, or with thousands separators | `4001.0`, `4001,0`, `4,001` |
| a prefix | `Error Code: 04`, `ERR_04` |
| two spellings of the same code | `Error Code 08 - MonitorTopologyFail`, `KeepAliveTimeout (04)` |

A text that can mean two codes, or has any other word, means none.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from exporter.taxonomy.model import Code

PREFIXES: Final = ("error code", "error", "code")
"""The usual words before a code: Softdrive's client shows "Error Code 01"."""
_PREFIX_WORDS: Final = frozenset(
    ("error", "err", "code", "disconnect", "close", "errorcode", "errcode")
)
_MOST_PREFIX_WORDS: Final = 3
"""Without this limit, a text of prefixes alone would take 0.5 ms."""
_JOINT: Final = re.compile(r"(?<=[^\W_])[-_]+(?=[^\W_])")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LONGEST: Final = 128
"""Characters after Unicode normalization, which turns one character into up to 18."""
_DASH: Final = "[-−–—‑]"
_MEANINGFUL: Final = re.compile(
    rf"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f$%+<>~^]|!=|\d{_DASH}\s*$|(?<!\w)[.,٫](?=\d)"
)
"""Controls, and what changes the meaning of a number: "<1000", "500%", "1000-", ".1000"."""
_MEANINGFUL_CATEGORIES: Final = ("No", "Sm", "Sc")
"""Of Unicode: superscripts and fractions, mathematical signs, currencies."""
_HARMLESS: Final = "＝−"
"""Mathematical signs that are treated as "=" and "-"."""
_MINUS: Final = re.compile(rf"(^\s*){_DASH}\s*(?=\d)|((?:[^\w\s]|_)\s*|[^\W\d_]\s+){_DASH}(?=\d)")
"""A dash before a number is its sign at the beginning, after punctuation and between spaces."""
# Matches only at the beginning of a number: otherwise a text of 128 digits takes six times as long.
_NUMBER: Final = re.compile(
    r"(?<![\d.,٫])(?:(\d{1,3}(?:[ ,.'’٬]\d{3})+)(?:[.,٫]0+)?|(\d+)[.,٫]0+)(?![^\W_]|[.,٫]\d)"
)
_WORD: Final = re.compile(r"~?\d+|[^\W\d_]+")


def normalize(text: str) -> str:
    """A readable form for texts that differ in case, spaces, and hyphens or underscores in words."""
    # A leading hyphen stays: "-1" is a negative number, not Softdrive's "01".
    return " ".join(_JOINT.sub(" ", text).casefold().split())


def compact(text: str) -> str:
    """The form in which all spellings of a text are equal; "" for a text without words."""
    return _joined(_words(_ascii_like(text)))


@dataclass(slots=True)
class Index:
    """The spellings of a system's codes.

    `plain` maps readable spellings to codes, `compact` every compact spelling to names of codes. `possible`
    matches the characters of each text that can mean a code. `clashes` has spellings, each with two codes
    that it means.
    """

    plain: dict[str, "Code"] = field(default_factory=dict)
    compact: dict[str, frozenset[str]] = field(default_factory=dict)
    possible: re.Pattern[str] = field(init=False)
    clashes: list[tuple[str, str, str]] = field(default_factory=list)

    def meanings(self, text: str) -> frozenset[str]:
        """The codes that a text can mean."""
        codes: frozenset[str] = frozenset()
        text = _ascii_like(text)
        # Splitting 1,000 other texts into words kept all senders waiting for 0.1 s.
        if not self.possible.fullmatch(_characters(text)):
            return codes
        for words in _without_prefix(_words(text)):
            for end, head in enumerate(accumulate(words, _join), 1):
                first, rest = self.compact.get(head), words[end:]
                if first and not rest:
                    codes |= first
                # Two numbers are not a code and its name: "4.04" is not 04, "10/10" not 10.
                elif first and any(map(str.isalpha, [words[end - 1], *rest])):
                    codes |= first & self._named(rest)
        return codes

    def _named(self, words: Sequence[str]) -> frozenset[str]:
        names = (self.compact.get(_joined(name), frozenset()) for name in _without_prefix(words))
        return frozenset().union(*names)


def index(codes: Sequence["Code"]) -> Index:
    result = Index()
    for code in codes:
        for text in (*numbers(code.code), code.name, *code.aliases):
            # A text without words, such as "%", is accepted as it is written only.
            if key := compact(text):
                result.compact[key] = result.compact.get(key, frozenset()) | {code.code}
    prefixes = f"(?:{'|'.join(_PREFIX_WORDS)}){{0,{_MOST_PREFIX_WORDS}}}"
    known = "|".join(map(re.escape, map(_characters, result.compact)))
    result.possible = re.compile(f"{prefixes}(?:{known})?" * 2)
    shared = shared_names(codes)
    for code in codes:
        names = () if normalize(code.name) in shared else (code.name,)
        for spelling in map(normalize, (*numbers(code.code), *names, *code.aliases)):
            first = result.plain.setdefault(spelling, code)
            others = {first.code, *result.meanings(spelling)} - {code.code}
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


def _without_prefix(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """The words, and the words after each of the prefixes that they begin with."""
    yield words
    for start, word in enumerate(words[:_MOST_PREFIX_WORDS], 1):
        if word not in _PREFIX_WORDS:
            return
        yield words[start:]


def _words(text: str) -> list[str]:
    """The words and numbers of a text; none if it has a sign or control that must not be ignored."""
    if _MEANINGFUL.search(text):
        return []
    text = _MINUS.sub(r"\1\2~", _HUMP.sub(" ", text))
    return _WORD.findall(_NUMBER.sub(_whole_number, text).casefold())


def _characters(text: str) -> str:
    """The letters and digits of a text; no zeros, which a decimal may add: "4001.0"."""
    return "".join(filter(str.isalnum, text.casefold().replace("0", "")))


def _whole_number(match: re.Match[str]) -> str:
    grouped, digits = match.groups()
    # "1.000" can be 1 or 1000.
    sign = "~" if re.fullmatch(r"\d+[.,]000", match[0]) else ""
    return digits or sign + re.sub(r"\D", "", grouped)


def _ascii_like(text: str) -> str:
    """The text with ASCII's digits and spaces, without invisible characters."""
    if text.isascii():
        return text
    characters = []
    for character in text:
        category = unicodedata.category(character)
        if category in _MEANINGFUL_CATEGORIES and character not in _HARMLESS:
            return "~"
        if category == "Nd":
            characters.append(str(unicodedata.decimal(character)))
        elif category != "Cf":
            characters.append(character)
    text = unicodedata.normalize("NFKC", "".join(characters))
    return text if len(text) <= _LONGEST else "~"


def _joined(words: Sequence[str]) -> str:
    return reduce(_join, words, "")


def _join(text: str, word: str) -> str:
    """No space, except between numbers: "1001-1004" is not "10011004"."""
    separate = text[-1:].isdigit() and not word.isalpha()
    return f"{text} {word}" if separate else text + word
