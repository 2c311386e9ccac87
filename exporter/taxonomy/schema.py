"""The JSON Schemas of a file that defines a system, and of an overlay, for editors.

Rules that compare values are missing: `exporter.taxonomy.loader` reports spellings of two codes, a category
or a normal code that is not in the file, and mistakes about the system that an overlay extends.
"""

from typing import Final

from exporter.json_schema import Schema, document, items, line, mapping, name, number, one_of, text
from exporter.names import UNKNOWN
from exporter.taxonomy.model import LONGEST_HELP, LONGEST_SPELLING, PHASES, Outcome, Owner, Severity
from exporter.taxonomy.system import (
    CODE,
    CODE_KEYS,
    CODE_RULE,
    LONGEST_NAME,
    LONGEST_SOURCE,
    NAME,
    NAME_RULE,
    OPTIONAL_CODE_KEYS,
    OPTIONAL_SYSTEM_KEYS,
    OVERLAY_KEYS,
    PHASE_SOURCES,
    SYSTEM_KEYS,
)

_NOT_UNKNOWN: Final = {
    # In any case: the loader compares normalized spellings. Without the type, a number is refused twice.
    "not": {
        "type": "string",
        "pattern": rf"^\s*{''.join(f'[{letter.upper()}{letter}]' for letter in UNKNOWN)}\s*$",
    }
}


def _name(description: str, **more: object) -> Schema:
    return name(NAME.pattern, NAME_RULE, description, **more)


def _code(description: str) -> Schema:
    return name(CODE.pattern, CODE_RULE, description, maxLength=LONGEST_NAME, **_NOT_UNKNOWN)


_CODE_VALUES: Final = {
    "code": _code('The code as the vendor writes it. Quote a number: "07".'),
    "name": line("The usual name.", longest=LONGEST_SPELLING, **_NOT_UNKNOWN),
    "phase": one_of(PHASES, "Where the session ended."),
    "category": _name("One of the categories of the system."),
    "outcome": one_of(
        tuple(Outcome), "neutral: the user's choice, or a limit; not part of the success ratio."
    ),
    "owner": one_of(tuple(Owner), "Who acts on a spike."),
    "severity": one_of(
        tuple(Severity),
        "Effect of a spike: page wakes on-call, ticket opens a ticket, none does neither.",
    ),
    "description": text("The meaning in one sentence."),
    "causes": text("The usual causes.", maxLength=LONGEST_HELP),
    "fix": text("The first actions.", maxLength=LONGEST_HELP),
    "aliases": items(
        line("A text that senders use.", longest=LONGEST_SPELLING, **_NOT_UNKNOWN),
        "Further texts that senders use. Case, spaces and punctuation do not matter.",
        uniqueItems=True,
    ),
    "planned": {
        "description": "true if bursts are expected, such as restarts during a maintenance.",
        "type": "boolean",
    },
    "spike_floor": number("Minimum count of ends in 5 minutes for a spike.", minimum=0),
}
_SYSTEM_VALUES: Final = {
    "system": _name("The name in events and metrics.", maxLength=LONGEST_NAME),
    "title": line("The name on pages.", longest=LONGEST_SPELLING),
    "source": line("Where the codes are documented.", longest=LONGEST_SOURCE),
    "phase_source": one_of(PHASE_SOURCES, "derived if the vendor documents no phases."),
    "normal": _code("The code of an event without a code."),
    "categories": {
        "description": "Name and heading of each group of codes.",
        "type": "object",
        "propertyNames": _name("Name of a category.", **{"not": {"const": UNKNOWN}}),
        "additionalProperties": line("Heading.", longest=LONGEST_SPELLING),
        "minProperties": 1,
    },
    "codes": items(mapping(CODE_KEYS, OPTIONAL_CODE_KEYS, _CODE_VALUES), "The codes."),
    "objective": number(
        "Target for success / (success + failure); 0.995 by default.", minimum=0, exclusiveMaximum=1
    ),
}
_OVERLAY_VALUES: Final = {
    "extends": _name("The system that this file changes.", maxLength=LONGEST_NAME),
    "objective": _SYSTEM_VALUES["objective"],
    "codes": items(
        mapping(
            ("code",),
            tuple(key for key in (*CODE_KEYS, *OPTIONAL_CODE_KEYS) if key != "code"),
            _CODE_VALUES,
        ),
        "Changes of codes, and new codes with all required keys. Aliases are added, other values replaced.",
    ),
}


def system() -> Schema:
    return document("A system", mapping(SYSTEM_KEYS, OPTIONAL_SYSTEM_KEYS, _SYSTEM_VALUES))


def overlay() -> Schema:
    required, *optional = OVERLAY_KEYS
    return document("Changes of a system", mapping((required,), optional, _OVERLAY_VALUES))
