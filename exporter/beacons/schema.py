"""The JSON Schema of a file of sites, for editors.

Rules that compare values or need settings are missing: `exporter.beacons.sites` reports keys and names that
are written twice, systems and labels that are not configured, and too many combinations of label values.
"""

from typing import Final

from exporter.beacons.sites import (
    HASH,
    LEAST_RATE,
    LONGEST_NAME,
    MAX_CHARS,
    NAME,
    NAME_RULE,
    OPTIONAL,
    ORIGIN,
    ORIGIN_RULE,
    REQUIRED,
    hash_key,
)
from exporter.json_schema import Schema, document, items, line, mapping, name

_VALUES: Final = {
    "site": name(NAME.pattern, NAME_RULE, "Name of the site.", maxLength=LONGEST_NAME),
    "system": line("System of all events with these keys.", longest=LONGEST_NAME),
    "origins": items(
        name(ORIGIN.pattern, ORIGIN_RULE, "An origin.", maxLength=MAX_CHARS),
        "Origins of the pages that may send.",
    ),
    "keys": items(
        name(
            HASH.pattern,
            "is not sha256: and 64 hexadecimal digits",
            "A hash that `session-end-exporter beacon-key` printed.",
            **{"not": {"const": hash_key("")}},
        ),
        "SHA-256 hashes of the keys.",
        uniqueItems=True,
    ),
    "rate": {
        "description": "Events per second; replaces the setting beacon_rate.",
        "type": "number",
        "minimum": LEAST_RATE,
    },
    "burst": {
        "description": "Events at once; replaces the setting beacon_burst.",
        "type": "integer",
        "minimum": 1,
    },
    "labels": {
        "description": "Label values that browsers may send, at most 200 combinations.",
        "type": "object",
        "additionalProperties": items(line("A value.", longest=MAX_CHARS), "Values of the label."),
        "minProperties": 1,
    },
}


def sites() -> Schema:
    """The schema of a file of sites."""
    site = mapping(REQUIRED, OPTIONAL, _VALUES)
    entries = items(site, "Sites whose browsers send events.")
    return document("Sites", mapping(("sites",), (), {"sites": entries}))
