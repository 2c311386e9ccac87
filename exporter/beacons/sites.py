"""The file of sites: whose browsers may send, from which pages, for which system."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter import yaml_mapping
from exporter.beacons.buckets import Limit
from exporter.beacons.keys import PREFIX, digest
from exporter.errors import ConfigError
from exporter.names import OTHER
from exporter.settings import Settings
from exporter.taxonomy import Taxonomy
from exporter.yaml_file import Line

_REQUIRED: Final = ("site", "system", "origins", "keys")
_OPTIONAL: Final = ("rate", "burst", "labels")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_KEY: Final = re.compile(PREFIX + "[0-9a-f]{64}")
_ORIGIN: Final = re.compile(
    r"(?:http(?!s?://[^/]*:80$)|https(?!://[^/]*:443$))://"
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?"
)
"""An origin as a browser serializes it (RFC 6454 6.1): lower case, no default port, no path."""
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_LONGEST: Final = 128
_COMBINATIONS: Final = 200
"""Of label values: who reads the public key can make a series of each, for every code, for good."""

Sites = Mapping[str, "Site"]
"""Sites by each of their keys' digests."""


@dataclass(frozen=True, slots=True)
class Site:
    """One site: `origins` are exact, and the values that each of `labels` may have from a browser are
    given, because what a public key sends must not use up a label's places."""

    name: str
    system: str
    origins: frozenset[bytes]
    limit: Limit
    labels: Mapping[str, frozenset[str]]


class Loader:
    """Reads files of sites; `systems` and `labels` are those there are, `limit` a site's own without one."""

    def __init__(self, systems: Collection[str], labels: Sequence[str], limit: Limit) -> None:
        self._systems = systems
        self._labels = labels
        self._limit = limit

    @classmethod
    def of(cls, settings: Settings, taxonomy: Taxonomy) -> "Loader":
        """With the systems, labels and limit that are in force."""
        limit = Limit(settings.beacon_rate, settings.beacon_burst)
        return cls(taxonomy.systems, settings.labels, limit)

    def __call__(self, path: Path) -> Sites:
        """The sites of a file. Raises `ConfigError` with a line for each mistake: place, value, rule."""
        mistakes: list[str] = []
        found: dict[str, Site] = {}
        whole = yaml_mapping.read(path, "the file", mistakes)
        if whole is not None:
            whole.expect(("sites",))
            names: dict[str, Line] = {}
            for one in whole.mappings("sites"):
                site = self._site(one)
                if site.name in names:
                    one.wrong(
                        one.line_of("site"),
                        f"site {site.name!r} is written twice, first on line "
                        f"{names[site.name].number}",
                    )
                elif site.name:
                    names[site.name] = one.line_of("site")
                for key in _keys(one):
                    if key in found:
                        one.wrong(
                            one.line_of("keys"),
                            f"a key in {one.what} is written twice, first for site {found[key].name!r}",
                        )
                    found[key] = site
        if mistakes:
            raise ConfigError(*mistakes)
        return found

    def _site(self, one: yaml_mapping.Mapping) -> Site:
        one.expect(_REQUIRED, _OPTIONAL)
        name = one.text("site", longest=64)
        if name and (fault := name_fault(name)):
            one.wrong(one.line_of("site"), f"site {name!r} {fault}")
        burst = _number(one, "burst", self._limit.burst)
        return Site(
            name,
            one.one_of("system", tuple(self._systems)),
            frozenset(_origins(one)),
            Limit(_number(one, "rate", self._limit.rate), max(1, int(burst))),
            self._values(one),
        )

    def _values(self, one: yaml_mapping.Mapping) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        labels = one.mapping("labels")
        if labels is None:
            return found
        for name in labels.names():
            if name not in self._labels:
                allowed = ", ".join(self._labels) or "none so far"
                labels.wrong(
                    labels.line_of(name),
                    f"label {name!r} in {one.what} is not configured; the setting `labels` has {allowed}",
                )
            found[name] = frozenset(text.value for text in labels.texts(name, longest=_LONGEST))
        # Any other value is counted as `other`, and a label that is not sent as none.
        number = math.prod(len(values | {OTHER, ""}) for values in found.values())
        if number > _COMBINATIONS:
            one.wrong(
                one.line_of("labels"),
                f"labels in {one.what} allow {number:,} combinations, `{OTHER}` and none at all included; "
                f"allowed are {_COMBINATIONS}",
            )
        return found


def _keys(one: yaml_mapping.Mapping) -> list[str]:
    kept = []
    for key in one.texts("keys", longest=_LONGEST):
        if key.value and not _KEY.fullmatch(key.value):
            # Not the value: it may be the key itself, put where its hash belongs.
            one.wrong(
                key.line,
                f"a key in {one.what} is not {PREFIX} and 64 hexadecimal digits, as "
                "`session-end-exporter beacon-key` prints them",
            )
        elif key.value == digest(""):
            one.wrong(key.line, f"a key in {one.what} is the hash of no key at all")
        elif key.value:
            kept.append(key.value)
    return kept


def _origins(one: yaml_mapping.Mapping) -> list[bytes]:
    kept = []
    for origin in one.texts("origins", longest=_LONGEST):
        if origin.value and (fault := origin_fault(origin.value)):
            one.wrong(origin.line, f"origin {origin.value!r} in {one.what} {fault}")
        elif origin.value:
            kept.append(origin.value.encode())
    return kept


def name_fault(name: str) -> str:
    """Why this is no site's name; empty when it is one."""
    if _NAME.fullmatch(name):
        return ""
    return (
        "is not a site's name; allowed are lower-case letters, digits, '.', '_' and '-', starting with a "
        "letter or digit"
    )


def origin_fault(origin: str) -> str:
    """Why no browser sends this as Origin; empty when one could."""
    if _ORIGIN.fullmatch(origin):
        return ""
    return (
        "is not one as browsers send it; write scheme://host or scheme://host:port, in lower case, without "
        "default port, path or wildcard, such as https://shop.example"
    )


def _number(one: yaml_mapping.Mapping, key: str, otherwise: float) -> float:
    if key not in one:
        return otherwise
    given = one.scalar(key)
    if given and not given.is_text and _NUMBER.fullmatch(given.written):
        number = float(given.written)
        if 0 < number < math.inf and (key != "burst" or number.is_integer()):
            return number
    allowed = "a whole number above 0" if key == "burst" else "a number above 0"
    found = repr(given.written) if given else "more than one value"
    one.wrong(one.line_of(key), f"{key} in {one.what} must be {allowed}, not {found}")
    return otherwise
