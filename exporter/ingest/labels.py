"""The configured labels of an event: an allow-list, with a bound on the values of each."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from xxhash import xxh3_64_intdigest

from exporter.errors import Rejected, Unparseable
from exporter.ingest import careful
from exporter.names import OTHER

_MAX_BYTES: Final = 128
_CACHED_TEXTS: Final = 10_000
_CACHED_BYTES: Final = 1024
_FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control and bidirectional-formatting characters, line separators, and halves of surrogate pairs: one of
the latter in a label breaks prometheus-client's exposition for good."""

Values = tuple[str, ...]


class LabelValues(dict[bytes, Values]):
    """Label values by the JSON text of an event's `labels`: what was seen before is one look-up.

    `names` in the settings' order, at most `most` values of each, in text nested at most `max_depth`
    levels; `known` are the values that the ledger has already, a tuple a series.
    """

    def __init__(
        self,
        names: Sequence[str],
        most: int,
        max_depth: int,
        known: Iterable[Values] = (),
    ) -> None:
        super().__init__()
        self._names = tuple(names)
        self._most = most
        self._max_depth = max_depth
        self._known: tuple[set[str], ...] = tuple(set() for _ in self._names)
        self._fingerprints = _Fingerprints()
        self.none: Values = ("",) * len(self._names)
        for values in known:
            self.learn(values)

    def __missing__(self, text: bytes) -> Values:
        """Values for a text not seen before. Raises `Rejected`."""
        if not text:
            return self.none
        # Before anything else is said of it, as `careful` does: one body has one reason.
        labels = _object(_parse(text).checked(self._max_depth - 1))
        checked = [_checked(name, labels.get(name)) for name in self._names]
        values = tuple(map(self._bound, self._known, checked))
        if len(text) <= _CACHED_BYTES:
            if len(self) >= _CACHED_TEXTS:
                self.clear()
                self._fingerprints.clear()
            self[text] = values
            self._fingerprints[text] = _fingerprint(labels)
        return values

    def fingerprints(self, texts: Sequence[bytes]) -> list[int] | None:
        """A number for each text that was looked up, the same whatever names are configured and however
        the text is laid out. None when all are empty."""
        if texts.count(b"") == len(texts):
            return None
        return list(map(self._fingerprints.__getitem__, texts))

    def learn(self, values: Values) -> None:
        """Admit what the ledger has, whoever brought it: its series are there, past the bound too."""
        for seen, value in zip(self._known, values, strict=True):
            if value not in ("", OTHER) and value not in seen:
                seen.add(value)
                # Texts that were bound to `other` before are not any more.
                self.clear()

    def _bound(self, seen: set[str], value: str) -> str:
        if not value or value in seen or value == OTHER:
            return value
        if len(seen) >= self._most:
            return OTHER
        seen.add(value)
        return value


class _Fingerprints(dict[bytes, int]):
    """Fingerprints by text; of texts that are too long to be remembered, made anew each time."""

    def __missing__(self, text: bytes) -> int:
        return _fingerprint(_object(_parse(text).value)) if text else 0


def _fingerprint(labels: dict[str, Any]) -> int:
    """Of the labels that could be configured; 0 without any. A null or empty value is none."""
    fingerprint = 0
    for name, value in labels.items():
        if value and isinstance(value, str):
            # Half of a surrogate pair is allowed in a label that is not configured.
            fingerprint ^= xxh3_64_intdigest(f"{name}\0{value}".encode("utf-8", "surrogatepass"))
    return fingerprint


def _parse(text: bytes) -> careful.Parsed:
    try:
        return careful.parse(text)
    except Unparseable as error:
        raise Rejected("invalid_json", f"labels: {error.detail}") from None


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Rejected("invalid_field", f"labels: must be an object, not {careful.kind(value)}")
    return value


def _checked(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Rejected(
            "invalid_label", f"labels.{name}: must be a string, not {careful.kind(value)}"
        )
    if found := _FORBIDDEN.search(value):
        raise Rejected(
            "invalid_label",
            f"labels.{name}: has the character U+{ord(found[0]):04X}: no control, bidirectional or "
            "surrogate characters",
        )
    if len(value.encode()) > _MAX_BYTES:
        raise Rejected("invalid_label", f"labels.{name}: longer than {_MAX_BYTES} bytes")
    return value
