"""The shape of a taxonomy: systems and their codes, as everything else in the project sees them."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from exporter.names import UNKNOWN


class Phase(StrEnum):
    """Where in its life a session ended, in lifecycle order (Softdrive's own five words)."""

    PRE_SESSION = "pre_session"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    STREAM = "stream"
    KEEP_ALIVE = "keep_alive"


class Outcome(StrEnum):
    """`neutral` ends are left out of the success ratio: SLI = success / (success + failure)."""

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
    """What a spike of the code does: wake on-call, open a ticket, or neither."""

    PAGE = "page"
    TICKET = "ticket"
    NONE = "none"


PHASES: Final = tuple(phase.value for phase in Phase)
LONGEST_SPELLING: Final = 128
"""Characters; the loader refuses a longer alias, so a longer code from a sender can't be one."""
DEFAULT_OBJECTIVE: Final = 0.995
LONGEST_HELP: Final = 1000
"""Bytes of `causes` and of `fix`: they are labels of a series and part of every notification."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_JOINT: Final = re.compile(r"(?<=[^\W_])[-_]+(?=[^\W_])")


@dataclass(frozen=True, slots=True)
class Code:
    """One documented way for a session to end.

    `phase` and `category` are label values, `"unknown"` for the unknown code only. `aliases` are
    further spellings as written in the YAML; those that follow from `code` and `name` by rule are
    in `System.spellings` alone. `planned` codes come in expected bursts, such as a maintenance;
    `spike_floor` is the least count of ends in 5 minutes that can be a spike, where somebody set it.
    `changed_by` says where overlays changed the row, and which keys; empty where none did.
    """

    system: str
    code: str
    name: str
    phase: str
    category: str
    outcome: Outcome
    owner: Owner
    severity: Severity
    description: str
    causes: str
    fix: str
    aliases: tuple[str, ...] = ()
    planned: bool = False
    spike_floor: float | None = None
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class System:
    """One vendor's table: `codes` in the file's order, `normal` among them, `unknown` apart.

    `title` is the system's name and `source` the vendor's page, for people; `phase_source` is
    `"vendor"` or `"derived"` (ours); `categories` maps a category's label value to its heading.
    `objective` is the part of success / (success + failure) that the system is to reach.
    `spellings` maps every accepted spelling, normalised by `normalise`, to its code.
    """

    system: str
    title: str
    source: str
    phase_source: str
    categories: dict[str, str]
    codes: tuple[Code, ...]
    normal: Code
    unknown: Code
    spellings: dict[str, Code]
    objective: float = DEFAULT_OBJECTIVE

    def match(self, raw: str | int | None) -> Code:
        """The code a sender's spelling means; `unknown` when no row has it, `normal` for nothing.

        Never raises: senders write anything, and an event with a code nobody knows still counts.
        """
        if raw is None or raw == "":
            return self.normal
        if isinstance(raw, int):
            # str() of an integer of more than 4300 digits raises ValueError.
            if raw.bit_length() > 64:
                return self.unknown
            raw = str(raw)
        # Checked before `normalise`, which would strip a newline and turn "01\n" into "01".
        if len(raw) > LONGEST_SPELLING or _CONTROL.search(raw):
            return self.unknown
        return self.spellings.get(normalise(raw), self.unknown)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All loaded systems by name, in load order."""

    systems: dict[str, System]


def normalise(spelling: str) -> str:
    """One form for spellings that differ in case, spaces, and hyphens or underscores inside words.

    A hyphen in front stays: "-1" is a negative number, not Softdrive's "01".
    """
    return " ".join(_JOINT.sub(" ", spelling).casefold().split())


def unknown_code(system: str) -> Code:
    """The row that events with an undocumented code are counted under."""
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
