"""The shape of a taxonomy: systems and their codes, as everything else in the project sees them."""

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


class Page(StrEnum):
    """What a spike of the code does."""

    PAGE = "page"
    TICKET = "ticket"
    NEVER = "never"


PHASES: Final = tuple(phase.value for phase in Phase)


@dataclass(frozen=True, slots=True)
class Code:
    """One documented way for a session to end.

    `phase` and `category` are label values; `phase` is `"unknown"` for the unknown code only.
    `aliases` are further spellings as written in the YAML; spellings that follow from `code` and
    `name` by rule are added by the loader's matching, not listed here.
    """

    system: str
    code: str
    name: str
    phase: str
    category: str
    outcome: Outcome
    owner: Owner
    page: Page
    description: str
    causes: str
    fix: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class System:
    """One vendor's table: `codes` in the file's order, `normal` among them, `unknown` apart.

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

    def match(self, raw: str | int | None) -> Code:
        """The code a sender's spelling means; `unknown` when no row has it, `normal` for nothing."""
        if raw is None or raw == "":
            return self.normal
        return self.spellings.get(normalise(str(raw)), self.unknown)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All loaded systems by name, in load order."""

    systems: dict[str, System]


def normalise(spelling: str) -> str:
    """One form for spellings that differ in case, spaces, hyphens and underscores only."""
    return " ".join(spelling.casefold().replace("-", " ").replace("_", " ").split())


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
        page=Page.TICKET,
        description="The sender reported a code that the taxonomy does not have.",
        causes="A vendor release with new codes, or a sender that misspells one.",
        fix="Read /api/unknown-codes for the raw codes, then add them to the taxonomy's YAML.",
    )
