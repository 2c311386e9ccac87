"""Bodies written in every way JSON allows, with what the contract makes of them.

`expected` is written from the contract alone and sees the values, never the text.
"""

import json
import math
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from hypothesis import strategies as st

from exporter.ingest.media import Media
from tests.ingest.listener import LABELS

SPACES = ("", "", "", " ", "\t", "  ", "\r")
TIMES = ("2026-11-20T19:00:00Z", "2026-11-20T20:00:00.25+01:00", "2025-01-01T00:00:00-12:30")
BAD_TIMES = ("yesterday", "2026-11-20T19:00:00", "2026-13-01T00:00:00Z", "")
FIELDS = (
    "system",
    "code",
    "id",
    "session_id",
    "occurred_at",
    "duration_seconds",
    "phase",
    "final",
    "labels",
)


@dataclass(frozen=True)
class Pairs:
    """A JSON object as written: keys in order, and as often as they are there."""

    pairs: tuple[tuple[str, Any], ...]

    def get(self, key: str) -> Any:
        return dict(self.pairs).get(key)


def _twice(value: Any) -> bool:
    if isinstance(value, Pairs):
        names = [key for key, _ in value.pairs]
        return len(set(names)) < len(names) or any(_twice(inner) for _, inner in value.pairs)
    return isinstance(value, list) and any(map(_twice, value))


def expected(value: Any) -> str | dict[str, Any]:
    """The reason why an event is rejected, or its fields with label values in place of `labels`."""
    if _twice(value):
        return "duplicate_key"
    if not isinstance(value, Pairs):
        return "not_an_object"
    found: dict[str, Any] = {name: value.get(name) for name in FIELDS}
    if found["system"] is None:
        return "missing_system"
    for name in ("system", "id", "session_id", "phase", "occurred_at", "code"):
        one = found[name]
        number = name == "code" and isinstance(one, int) and not isinstance(one, bool)
        if not (one is None or number or (isinstance(one, str) and _whole(one))):
            return "invalid_field"
    if found["final"] not in (None, True, False) or isinstance(found["final"], int | float) > (
        isinstance(found["final"], bool)
    ):
        return "invalid_field"
    seconds = found["duration_seconds"]
    if seconds is not None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            return "invalid_field"
        found["duration_seconds"] = float(seconds)
    if found["occurred_at"] is not None:
        if found["occurred_at"] in BAD_TIMES:
            return "invalid_field"
        try:
            found["occurred_at"] = datetime.fromisoformat(found["occurred_at"])
        except ValueError:
            return "invalid_field"
    labels = found["labels"]
    if labels is None:
        labels = Pairs(())
    if not isinstance(labels, Pairs):
        return "invalid_field"
    values = []
    for name in LABELS:
        one = labels.get(name)
        if one is None:
            one = ""
        if not isinstance(one, str) or not _whole(one):
            return "invalid_label"
        values.append(one)
    found["labels"] = tuple(values)
    return found


def _whole(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


# --- writing ----------------------------------------------------------------------------------------


def write(value: Any, rnd: Random, spaces: tuple[str, ...] = SPACES) -> str:
    """JSON text of a value, with space and escapes wherever they may stand."""
    if isinstance(value, Pairs):
        pairs = ",".join(
            f"{rnd.choice(spaces)}{_string(key, rnd)}{rnd.choice(spaces)}:{rnd.choice(spaces)}"
            f"{write(inner, rnd, spaces)}{rnd.choice(spaces)}"
            for key, inner in value.pairs
        )
        return "{" + (pairs or rnd.choice(spaces)) + "}"
    if isinstance(value, list):
        return (
            "[" + ",".join(f"{rnd.choice(spaces)}{write(one, rnd, spaces)}" for one in value) + "]"
        )
    if isinstance(value, str):
        return _string(value, rnd)
    if isinstance(value, float) and math.isinf(value):
        return "1e999"
    return json.dumps(value)


def _string(text: str, rnd: Random) -> str:
    out = []
    for char in text:
        if "\ud800" <= char <= "\udfff" or rnd.random() < 0.03:
            out.append(json.dumps(char) if ord(char) > 0xFFFF else f'"\\u{ord(char):04x}"')
        else:
            out.append(json.dumps(char, ensure_ascii=False))
    return '"' + "".join(one[1:-1] for one in out) + '"'


def body(media: Media, values: list[Any], rnd: Random) -> bytes:
    """A body of events; a single one is an object or an array, lines end in any way."""
    if media is Media.NDJSON:
        ends = ("\n", "\n", "\r\n", "\n\n", "\n \r\n")
        text = "".join(write(one, rnd) + rnd.choice(ends) for one in values)
        return text.encode()
    spaces = (*SPACES, "\n")
    if len(values) == 1 and isinstance(values[0], Pairs) and rnd.random() < 0.5:
        return write(values[0], rnd, spaces).encode()
    return write(values, rnd, spaces).encode()


# --- generating -------------------------------------------------------------------------------------

texts = st.one_of(
    st.sampled_from(('a":b', '\\":', 'x" :', '"', "\\", "é", "日本", "😀", "\n", 'key\\\\":1')),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z")), max_size=12),
)
halves = st.sampled_from(("\ud800", "a\udfffb"))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(0, 1e6), texts, halves
)


def objects(keys: Any, values: Any, most: int = 3) -> Any:
    """Objects, one in some with a key twice."""
    return st.lists(st.tuples(keys, values), max_size=most).map(lambda p: Pairs(tuple(p)))


nested = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), objects(texts, inner)),
    max_leaves=6,
)
_good = {
    "system": st.sampled_from(("softdrive", "streampixel")),
    "code": st.one_of(st.sampled_from(("01", "4001", "")), st.integers(-5, 5000), texts),
    "id": st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=30),
    "session_id": texts,
    "occurred_at": st.sampled_from(TIMES),
    "duration_seconds": st.one_of(st.integers(0, 2**60), st.floats(0, 1e9)),
    "phase": st.sampled_from(("connect", "stream")),
    "final": st.booleans(),
    "labels": st.lists(
        st.tuples(st.sampled_from((*LABELS, "zone")), texts.filter(str.isprintable)),
        max_size=3,
        unique_by=lambda pair: pair[0],
    ).map(lambda pairs: Pairs(tuple(pairs))),
}
_odd = {
    "occurred_at": st.one_of(scalars, st.sampled_from(BAD_TIMES)),
    "duration_seconds": st.one_of(scalars, st.just(math.inf)),
    "labels": st.one_of(
        nested, objects(st.sampled_from((*LABELS, "zone")), nested), st.just(Pairs(()))
    ),
}


@st.composite
def good_events(draw: Any) -> Pairs:
    """Events with nothing unusual in them."""
    names = draw(st.lists(st.sampled_from(FIELDS[1:]), unique=True))
    pairs = [(name, draw(_good[name])) for name in ("system", *names)]
    return Pairs(tuple(draw(st.permutations(pairs))))


@st.composite
def odd_events(draw: Any) -> Any:
    """Events with wrong types, nulls, unknown fields, keys that are there twice."""
    event = draw(good_events())
    pairs = list(event.pairs)
    for kind in draw(st.lists(st.sampled_from("ontdx"), max_size=3)):
        if kind == "o":
            name = draw(st.sampled_from(FIELDS))
            pairs = [pair for pair in pairs if pair[0] != name]
            pairs.append((name, draw(_odd.get(name, nested))))
        elif kind == "n":
            name = draw(st.sampled_from(FIELDS))
            pairs = [pair for pair in pairs if pair[0] != name] + [(name, None)]
        elif kind == "t":
            pairs.append((draw(st.sampled_from(("x", "y", "Code"))), draw(nested)))
        elif kind == "d" and pairs:
            name, value = draw(st.sampled_from(pairs))
            again = draw(st.sampled_from((value, None, draw(_good.get(name, nested)))))
            pairs.insert(draw(st.integers(0, len(pairs))), (name, again))
        elif kind == "x" and draw(st.booleans()):
            return draw(st.one_of(scalars, st.lists(scalars, max_size=2)))
    return Pairs(tuple(pairs))
