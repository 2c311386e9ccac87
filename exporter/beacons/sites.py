"""The file of sites: which pages may send, with which keys, for which system.

A key is public, because everyone can read a page's source: it can only send events of its site. The file
has the hash of a key, so that it does not publish the keys of pages that are not public.
"""

import hashlib
import math
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter import json_schema
from exporter.errors import ConfigError
from exporter.names import OTHER
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy
from exporter.token_bucket import Limit
from exporter.yaml_file import Line
from exporter.yaml_mapping import YamlMapping, read

_REQUIRED: Final = ("site", "system", "origins", "keys")
_OPTIONAL: Final = ("rate", "burst", "labels")
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
NAME_RULE: Final = (
    "is not a site's name; allowed are lower-case letters, digits, '.', '_' and '-', starting with a "
    "letter or digit"
)
_HASH: Final = re.compile("sha256:[0-9a-f]{64}")
ORIGIN: Final = re.compile(
    r"(?:http(?!s?://[^/]*:80$)|https(?!://[^/]*:443$))://"
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?"
)
"""An origin as a browser serializes it (RFC 6454 6.1): lower case, no default port, no path."""
ORIGIN_RULE: Final = (
    "is not an origin as browsers send it; write scheme://host or scheme://host:port, in lower case, "
    "without default port, path or wildcard, such as https://shop.example"
)
_LEAST_RATE: Final = 0.001
"""Events a second, one in 17 minutes."""
_KEY_BYTES: Final = 18
"""144 bits, 24 characters of base64: out of reach of guesses, so that a fast hash is enough."""
_LONGEST_NAME: Final = 64
_MAX_CHARS: Final = 128
_MAX_COMBINATIONS: Final = 200
"""Most combinations of label values of a site. Anyone with the public key can create a series for each
combination and code, and series are never deleted."""

Sites = Mapping[str, "Site"]
"""Sites by the hash of each of their keys."""


def make_key() -> str:
    """A new key, of characters that need no escaping in a path."""
    return secrets.token_urlsafe(_KEY_BYTES)


def hash_key(key: str) -> str:
    """The hash of a key, as the file of sites has it."""
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Site:
    """A site. `labels` are the values that browsers may send: a public key must not use up the bound on
    label values."""

    name: str
    system: str
    origins: frozenset[bytes]
    limit: Limit
    labels: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class SitesLoader:
    """Reads files of sites; `limit` is for sites without a limit of their own."""

    systems: Sequence[str]
    labels: Sequence[str]
    limit: Limit

    @classmethod
    def of(cls, settings: Settings, taxonomy: Taxonomy) -> "SitesLoader":
        limit = Limit(settings.beacon_rate, settings.beacon_burst)
        return cls(tuple(taxonomy.systems), settings.labels, limit)

    def __call__(self, path: Path) -> Sites:
        """The sites of a file. Raises `ConfigError` with a line for each mistake: place, value, rule."""
        mistakes: list[str] = []
        sites: dict[str, Site] = {}
        file = read(path, "the file", mistakes)
        if file is not None:
            file.expect(("sites",))
            lines: dict[str, Line] = {}
            for entry in file.mappings("sites"):
                site = self._site(entry)
                line = entry.line_of("site")
                if site.name in lines:
                    first = lines[site.name].number
                    entry.wrong(line, f"site {site.name!r} is written twice, first on line {first}")
                elif site.name:
                    lines[site.name] = line
                for key in _keys(entry):
                    if key in sites:
                        other = f"first for site {sites[key].name!r}"
                        entry.wrong("keys", f"a key in {entry.what} is written twice, {other}")
                    sites[key] = site
        if mistakes:
            raise ConfigError(*mistakes)
        return sites

    def _site(self, entry: YamlMapping) -> Site:
        entry.expect(_REQUIRED, _OPTIONAL)
        name = entry.text("site", longest=_LONGEST_NAME)
        if name and not NAME.fullmatch(name):
            entry.wrong("site", f"site {name!r} {NAME_RULE}")
        return Site(
            name,
            entry.one_of("system", self.systems),
            frozenset(_origins(entry)),
            self._site_limit(entry),
            self._label_values(entry),
        )

    def _site_limit(self, entry: YamlMapping) -> Limit:
        rate = entry.number("rate", least=_LEAST_RATE)
        burst = entry.number("burst", least=1)
        if burst is not None and not burst.is_integer():
            entry.wrong("burst", f"burst in {entry.what} must be a whole number")
        return Limit(rate or self.limit.rate, int(burst or self.limit.burst))

    def _label_values(self, entry: YamlMapping) -> dict[str, frozenset[str]]:
        allowed: dict[str, frozenset[str]] = {}
        labels = entry.mapping("labels")
        if labels is None:
            return allowed
        for name in labels.names():
            if name not in self.labels:
                configured = ", ".join(self.labels) or "none so far"
                rule = f"is not configured; the setting `labels` has {configured}"
                labels.wrong(name, f"label {name!r} in {entry.what} {rule}")
            allowed[name] = frozenset(text.value for text in labels.texts(name, longest=_MAX_CHARS))
        # Any other value is counted as `other`, and a label that is not sent as empty.
        combinations = math.prod(len(values | {OTHER, ""}) for values in allowed.values())
        if combinations > _MAX_COMBINATIONS:
            entry.wrong(
                "labels",
                f"labels in {entry.what} allow {combinations:,} combinations of values, with `{OTHER}` and "
                f"empty; allowed are {_MAX_COMBINATIONS}",
            )
        return allowed


def _keys(entry: YamlMapping) -> list[str]:
    keys = []
    for key in entry.texts("keys", longest=_MAX_CHARS):
        if not _HASH.fullmatch(key.value):
            # The message omits the value: it may be the key itself instead of its hash.
            entry.wrong(
                key.line,
                f"a key in {entry.what} is not sha256: and 64 hexadecimal digits, as "
                "`session-end-exporter beacon-key` prints them",
            )
        else:
            keys.append(key.value)
    return keys


def _origins(entry: YamlMapping) -> list[bytes]:
    origins = entry.texts("origins", longest=_MAX_CHARS)
    for origin, line in origins:
        if not ORIGIN.fullmatch(origin):
            entry.wrong(line, f"origin {origin!r} in {entry.what} {ORIGIN_RULE}")
    return [origin.value.encode() for origin in origins]


def schema() -> json_schema.Schema:
    """The JSON Schema of a file of sites, for editors.

    Rules that compare values or need settings are missing: keys and names that are written twice, systems and
    labels that are not configured, and too many combinations of label values.
    """
    values = {
        "site": json_schema.name(
            NAME.pattern, NAME_RULE, "Name of the site.", maxLength=_LONGEST_NAME
        ),
        "system": json_schema.line("System of all events with these keys.", longest=_LONGEST_NAME),
        "origins": json_schema.items(
            json_schema.name(ORIGIN.pattern, ORIGIN_RULE, "An origin.", maxLength=_MAX_CHARS),
            "Origins of the pages that may send.",
        ),
        "keys": json_schema.items(
            json_schema.name(
                _HASH.pattern,
                "is not sha256: and 64 hexadecimal digits",
                "A hash that `session-end-exporter beacon-key` printed.",
            ),
            "SHA-256 hashes of the keys.",
            uniqueItems=True,
        ),
        "rate": json_schema.number(
            "Events per second; replaces the setting beacon_rate.", minimum=_LEAST_RATE
        ),
        "burst": {
            "description": "Events at once; replaces the setting beacon_burst.",
            "type": "integer",
            "minimum": 1,
        },
        "labels": {
            "description": "Label values that browsers may send, at most 200 combinations.",
            "type": "object",
            "additionalProperties": json_schema.items(
                json_schema.line("A value.", longest=_MAX_CHARS), "Values of the label."
            ),
            "minProperties": 1,
        },
    }
    site = json_schema.mapping(_REQUIRED, _OPTIONAL, values)
    entries = json_schema.items(site, "Sites whose browsers send events.")
    return json_schema.document("Sites", json_schema.mapping(("sites",), (), {"sites": entries}))
