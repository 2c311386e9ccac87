"""The model of a taxonomy: systems and their codes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, ConfigDict, Field, GetPydanticSchema, StrictBool, StrictFloat

from exporter.names import CODES_PATH, SERIES_LABELS, UNKNOWN
from exporter.taxonomy.spellings import Index, normalize
from exporter.validation import STRICT, OneLine, Pattern, Text


class Phase(StrEnum):
    """Where a session ended, in the order of its lifecycle (Softdrive's five words)."""

    PRE_SESSION = "pre_session"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    STREAM = "stream"
    KEEP_ALIVE = "keep_alive"


class Outcome(StrEnum):
    """The success ratio is success / (success + failure); neutral ends are not part of it."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"


class Owner(StrEnum):
    """Who acts on a spike of the code."""

    CUSTOMER_NETWORK = "customer_network"
    CLIENT = "client"
    PLATFORM = "platform"
    CAPACITY = "capacity"
    APPLICATION = "application"
    POLICY = "policy"
    USER = "user"
    NOBODY = "nobody"


class Severity(StrEnum):
    """What a spike of the code does: page on-call, open a ticket, or nothing."""

    PAGE = "page"
    TICKET = "ticket"
    NONE = "none"


PHASES: Final = tuple(phase.value for phase in Phase)
LONGEST_SPELLING: Final = 128
"""Characters; the loader refuses longer aliases, so a longer code of an event is unknown."""
DEFAULT_OBJECTIVE: Final = 0.995
LONGEST_HELP: Final = 1000
"""Bytes of `causes` and of `fix`: they are labels of a series and part of every notification."""


_UNRESERVED: Final = Pattern(
    # In any case: normalized spellings are compared.
    rf"(?!\s*{''.join(f'[{letter.upper()}{letter}]' for letter in UNKNOWN)}\s*$)[\s\S]*",
    f"{UNKNOWN!r} is reserved for undocumented codes",
)


def _short(text: str) -> str:
    if len(text.encode()) > LONGEST_HELP:
        raise ValueError(f"must have at most {LONGEST_HELP} bytes")
    return text


Name = Annotated[
    str,
    Field(max_length=64),
    Pattern(
        "[a-z][a-z0-9_]*",
        "must have lower-case letters, digits and _, starting with a letter",
    ),
    _UNRESERVED,
]
CodeName = Annotated[
    str,
    Field(max_length=64),
    # A code is a path segment of its runbook and part of file names: no slash, no space.
    Pattern(
        "[A-Za-z0-9][A-Za-z0-9_.-]*",
        "must have letters, digits, '.', '_' and '-', starting with a letter or digit",
    ),
    _UNRESERVED,
]
Spelling = Annotated[OneLine, _UNRESERVED]
_PhaseName = Annotated[
    str,
    GetPydanticSchema(
        lambda _, handler: handler(Annotated[Phase, AfterValidator(lambda phase: phase.value)])
    ),
]
_Help = Annotated[Text, Field(max_length=LONGEST_HELP), AfterValidator(_short)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A code as a file has it."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    code: Annotated[
        CodeName, Field(description='The code as the vendor writes it. Quote a number: "07".')
    ]
    name: Annotated[Spelling, Field(description="The usual name.")]
    phase: Annotated[_PhaseName, Field(description="Where the session ended.")]
    category: Annotated[str, Field(description="One of the categories of the system.")]
    outcome: Annotated[
        Outcome,
        Field(description="neutral: the user's choice, or a limit; not part of the success ratio."),
    ]
    owner: Annotated[Owner, Field(description="Who acts on a spike.")]
    severity: Annotated[
        Severity,
        Field(
            description="Effect of a spike: page wakes on-call, ticket opens a ticket, none does neither."
        ),
    ]
    description: Annotated[Text, Field(description="The meaning in one sentence.")]
    causes: Annotated[_Help, Field(description="The usual causes.")]
    fix: Annotated[_Help, Field(description="The first actions.")]
    aliases: Annotated[
        tuple[Spelling, ...],
        Field(
            description="Further texts that senders use. Case, spaces and punctuation do not matter."
        ),
    ] = ()
    planned: Annotated[
        StrictBool,
        Field(description="true if bursts are expected, such as restarts during a maintenance."),
    ] = False
    spike_floor: Annotated[
        StrictFloat | None,
        Field(ge=0, description="Minimum count of ends in 5 minutes for a spike."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code(Row):
    """A documented code.

    `phase` and `category` are label values; only the unknown code has `"unknown"`. `aliases` are the
    spellings written in the YAML. `planned` codes come in expected bursts, such as a maintenance.
    `spike_floor` is the minimum count of ends in 5 minutes for a spike. `changed_by` lists the lines of
    overlays that changed the code.
    """

    system: str
    changed_by: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the code's counters."""
        return {name: str(getattr(self, name)) for name in SERIES_LABELS}

    @property
    def runbook(self) -> str:
        """The path of the code's runbook on the ops listener."""
        return f"{CODES_PATH}/{self.system}/{self.code}"

    @property
    def worst_severity(self) -> Severity:
        """The highest severity of the code's alerts: no alert pages for a planned code."""
        planned_page = self.planned and self.severity is Severity.PAGE
        return Severity.TICKET if planned_page else self.severity


@dataclass(frozen=True, slots=True)
class System:
    """The codes of one system. `codes` are in the file's order and contain `normal`, not `unknown`.

    `title` is the displayed name, `source` the vendor's page; `phase_source` is `"vendor"` or
    `"derived"` (by us). `categories` maps label values to headings. `objective` is the target of the
    success ratio.
    """

    system: str
    title: str
    source: str
    phase_source: str
    categories: dict[str, str]
    codes: tuple[Code, ...]
    normal: Code
    unknown: Code
    index: Index
    objective: float = DEFAULT_OBJECTIVE

    @property
    def all_codes(self) -> tuple[Code, ...]:
        """`codes`, then `unknown`."""
        return (*self.codes, self.unknown)

    def match(self, raw: str | int | None) -> Code:
        """The code of a spelling; `normal` for no spelling, `unknown` if no code has it. Never raises."""
        if raw is None or raw == "":
            return self.normal
        if isinstance(raw, int):
            # str() raises ValueError for an integer of more than 4300 digits.
            if raw.bit_length() > 64:
                return self.unknown
            raw = str(raw)
        if len(raw) > LONGEST_SPELLING:
            return self.unknown
        if code := self.index.plain.get(normalize(raw)):
            return code
        codes = self.index.meanings(raw)
        return self.index.plain[normalize(*codes)] if len(codes) == 1 else self.unknown


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The systems by name, in load order."""

    systems: dict[str, System]


def unknown_code(system: str) -> Code:
    """The code under which events with an undocumented code are counted."""
    return Code(
        system=system,
        code=UNKNOWN,
        name="Unknown code",
        phase=UNKNOWN,
        category=UNKNOWN,
        outcome=Outcome.FAILURE,
        owner=Owner.PLATFORM,
        severity=Severity.TICKET,
        description="The sender reported a code that the taxonomy does not have.",
        causes="A vendor release with new codes, or a sender that misspells one.",
        fix="Read /api/unknown-codes for the raw codes. Add each as an alias, or as a new code, in a YAML "
        f"file of your taxonomy folder that begins with extends: {system}.",
    )
