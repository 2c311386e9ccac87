"""The configured labels of an event: an allow-list, with a bound on the values of each."""

import re
from collections.abc import Sequence
from typing import Any, Final

from xxhash import xxh3_64_intdigest

from exporter.errors import Rejected, Unparseable
from exporter.event_fields import by_name
from exporter.ingest.event import label_object
from exporter.ingest.strict_json import Parsed, parse
from exporter.names import OTHER

_MAX_BYTES: Final = 128
_CACHED_TEXTS: Final = 10_000
_CACHED_BYTES: Final = 1024
_FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control and bidirectional-formatting characters, line separators, and surrogates: a lone surrogate in a
label breaks prometheus-client's exposition forever."""

Values = tuple[str, ...]


class LabelValues(dict[bytes, Values]):
    """Label values by the JSON text of an event's `labels`: a known text is one look-up.

    `names` are in the settings' order, each with at most `max_values` values, in text nested at most
    `max_depth` levels. A new value counts toward the bound when it is admitted: otherwise events that are
    rejected could use up the bound.
    """

    def __init__(self, names: Sequence[str], max_values: int, max_depth: int) -> None:
        super().__init__()
        self._names = names
        self._max_depth = max_depth
        self._known = tuple({"", OTHER} for _ in self._names)
        self._max_known = max_values + len(("", OTHER))
        self._fingerprints = _Fingerprints()
        self.none: Values = ("",) * len(self._names)

    def __missing__(self, text: bytes) -> Values:
        """Values of a text not seen before. Raises `Rejected`."""
        if not text:
            return self.none
        # Depth and duplicates first, as in the strict parser: both reject a body for the same reason.
        labels = label_object(_parse(text).checked(self._max_depth - 1))
        checked = [_checked(*item) for item in by_name(self._names, labels).items()]
        values = tuple(map(self._bound, self._known, checked))
        # A cached value that is not admitted yet could be admitted later, past the bound.
        if len(text) <= _CACHED_BYTES and self._admitted(values):
            if len(self._fingerprints) >= _CACHED_TEXTS:
                self.clear()
                self._fingerprints.clear()
            self[text] = values
            self._fingerprints[text] = _fingerprint(labels)
        return values

    def fingerprints(self, texts: Sequence[bytes]) -> list[int] | None:
        """A fingerprint for each text that was looked up; None when all texts are empty."""
        if texts.count(b"") == len(texts):
            return None
        return list(map(self._fingerprints.__getitem__, texts))

    def admit(self, values: Values) -> None:
        """Admit the values of a valid event, before the next text is looked up."""
        for known, value in zip(self._known, values, strict=True):
            known.add(value)

    def learn(self, values: Values) -> None:
        """Admit the values of a series in the ledger, even beyond the bound: the series exists anyway."""
        if not self._admitted(values):
            self.admit(values)
            # A value may have become `other` in cached texts: from now on it is kept.
            self.clear()

    def _admitted(self, values: Values) -> bool:
        return all(map(set.__contains__, self._known, values))

    def _bound(self, known: set[str], value: str) -> str:
        return value if value in known or len(known) < self._max_known else OTHER


class _Fingerprints(dict[bytes, int]):
    """Fingerprints by text; those of texts too long to be remembered are computed each time."""

    def __missing__(self, text: bytes) -> int:
        return _fingerprint(label_object(_parse(text).value)) if text else 0


def _fingerprint(labels: dict[str, Any]) -> int:
    """The fingerprint of all labels, configured or not, in any order; null and empty values do not count."""
    fingerprint = 0
    for name, value in labels.items():
        if value and isinstance(value, str):
            # A lone surrogate is allowed in a label that is not configured.
            fingerprint ^= xxh3_64_intdigest(f"{name}\0{value}".encode("utf-8", "surrogatepass"))
    return fingerprint


def _parse(text: bytes) -> Parsed:
    try:
        return parse(text)
    except Unparseable as error:
        raise Rejected("invalid_json", f"labels: {error.detail}") from None


def _checked(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        fault = "must be a string"
    elif forbidden := _FORBIDDEN.search(value):
        character = f"U+{ord(forbidden[0]):04X}"
        fault = f"has the character {character}: no control, bidirectional or surrogate characters"
    elif len(value.encode()) > _MAX_BYTES:
        fault = f"longer than {_MAX_BYTES} bytes"
    else:
        return value
    raise Rejected("invalid_label", f"labels.{name}: {fault}")
