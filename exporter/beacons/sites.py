"""The file of sites: which pages may send, with which keys, for which system.

A key is public, because everyone can read a page's source: it can only send events of its site. The file
has the hash of a key, so that it does not publish the keys of pages that are not public.
"""

import hashlib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, Field, SkipValidation, StrictFloat, StrictInt, TypeAdapter

from exporter.errors import ConfigError
from exporter.names import OTHER
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy
from exporter.token_bucket import Limit
from exporter.validation import STRICT, OneLine, Pattern
from exporter.yaml_file import YamlMapping, read

NAME: Final = Pattern(
    "[a-z0-9][a-z0-9_.-]*",
    "must have lower-case letters, digits, '.', '_' and '-', starting with a letter or digit",
)
ORIGIN: Final = Pattern(
    r"(?:http(?!s?://[^/]*:80$)|https(?!://[^/]*:443$))://"
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?",
    "is not an origin as browsers send it; write scheme://host or scheme://host:port, in lower case, "
    "without default port, path or wildcard, such as https://shop.example",
)
"""An origin as a browser serializes it (RFC 6454 6.1): lower case, no default port, no path."""
_KEY_BYTES: Final = 18
"""144 bits, 24 characters of base64: out of reach of guesses, so that a fast hash is enough."""
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


_Origin = Annotated[str, Field(max_length=128, description="An origin."), ORIGIN]
_Hash = Annotated[
    str,
    # The message omits the value: it may be the key itself instead of its hash.
    Pattern(
        f"(?!{hash_key('')})sha256:[0-9a-f]{{64}}",
        "is not a hash as `session-end-exporter beacon-key` prints it",
    ),
    Field(description="A hash that `session-end-exporter beacon-key` printed."),
]


class _Entry(BaseModel):
    model_config = STRICT

    site: Annotated[str, Field(max_length=64, description="Name of the site."), NAME]
    system: Annotated[OneLine, Field(description="System of all events with these keys.")]
    origins: Annotated[
        list[_Origin], Field(min_length=1, description="Origins of the pages that may send.")
    ]
    keys: Annotated[list[_Hash], Field(min_length=1, description="SHA-256 hashes of the keys.")]
    rate: Annotated[
        StrictFloat | None,
        Field(ge=0.001, description="Events per second; replaces the setting beacon_rate."),
    ] = None
    burst: Annotated[
        StrictInt | None,
        Field(ge=1, description="Events at once; replaces the setting beacon_burst."),
    ] = None
    labels: Annotated[
        dict[str, Annotated[list[OneLine], Field(min_length=1)]],
        Field(description="Label values that browsers may send, at most 200 combinations."),
    ] = {}


class _File(BaseModel):
    model_config = STRICT

    # Each entry is validated on its own, with the settings.
    sites: Annotated[
        list[SkipValidation[_Entry]],
        Field(min_length=1, description="Sites whose browsers send events."),
    ]


FILE: Final = TypeAdapter(_File)
_ENTRY: Final = TypeAdapter(_Entry)


@dataclass(frozen=True, slots=True)
class Site:
    """A site. `labels` are the values that browsers may send: a public key must not use up the bound on
    label values."""

    name: str
    system: str
    origins: frozenset[bytes]
    limit: Limit
    labels: Mapping[str, frozenset[str]]


def read_sites(settings: Settings, taxonomy: Taxonomy, path: Path) -> Sites:
    """The sites of a file. Raises `ConfigError` with a line for each mistake: place and rule."""
    mistakes: list[str] = []
    sites: dict[str, Site] = {}
    names: set[str] = set()
    systems = list(taxonomy.systems)
    file = read(path, mistakes)
    if file is not None:
        file.validate(FILE)
        for row in file.mappings("sites"):
            entry = row.validate(_ENTRY)
            # A list: the value may be one that cannot be hashed.
            if row.values.get("system", systems[0]) not in systems:
                rule = f"must be one of {', '.join(systems)}"
                row.wrong(row.line_of("system"), rule, "system")
            if entry is None:
                continue
            if entry.site in names:
                row.wrong(row.line_of("site"), "is written twice", "site")
            names.add(entry.site)
            site = _site(entry, row, settings)
            for number, key in enumerate(entry.keys):
                if key in sites:
                    row.wrong(row.line_of("keys", number), "is written twice", "keys", number)
                sites[key] = site
    if mistakes:
        raise ConfigError(*mistakes)
    return sites


def _site(entry: _Entry, row: YamlMapping, settings: Settings) -> Site:
    for name in entry.labels:
        if name not in settings.labels:
            rule = "is not in the setting `labels`"
            row.wrong(row.line_of("labels", name), rule, "labels", name)
    labels = {name: frozenset(values) for name, values in entry.labels.items()}
    # Any other value is counted as `other`, and a label that is not sent as empty.
    combinations = math.prod(len(values | {OTHER, ""}) for values in labels.values())
    if combinations > _MAX_COMBINATIONS:
        rule = (
            f"allow {combinations:,} combinations of values, with `{OTHER}` and empty; "
            f"allowed are {_MAX_COMBINATIONS}"
        )
        row.wrong(row.line_of("labels"), rule, "labels")
    origins = frozenset(origin.encode() for origin in entry.origins)
    limit = Limit(entry.rate or settings.beacon_rate, entry.burst or settings.beacon_burst)
    return Site(entry.site, entry.system, origins, limit, labels)
