"""Codes: search by spelling, system or words, similar spellings, and the facts about a code."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from exporter.names import UNKNOWN
from exporter.taxonomy.model import Code, Outcome, Owner, Severity, System, Taxonomy
from exporter.taxonomy.spellings import PREFIXES, normalize, numbers, shared_names

_NUMBER: Final = re.compile(rf"(?:(?:{'|'.join(PREFIXES)}) )?-?\d+")
OWNERS: Final = {
    Owner.CUSTOMER_NETWORK: "the customer's team for firewall, proxy, VPN and Wi-Fi",
    Owner.CLIENT: "the support team for the user's machine and its client",
    Owner.PLATFORM: "the platform's operators, or the vendor's support",
    Owner.CAPACITY: "the team that buys workers and GPUs and sets limits",
    Owner.APPLICATION: "the team that builds and publishes the application",
    Owner.POLICY: "the team that sets limits and enables projects",
    Owner.USER: "the user; only a spike needs action",
    Owner.NOBODY: "nothing is wrong",
}
SEVERITIES: Final = {
    Severity.PAGE: "yes, a spike wakes on-call",
    Severity.TICKET: "no, alerts open tickets",
    Severity.NONE: "never",
}
OUTCOMES: Final = {
    Outcome.SUCCESS: "success: counts for the success ratio",
    Outcome.NEUTRAL: "neutral: left out of the success ratio, watched for spikes",
    Outcome.FAILURE: "failure: counts against the success ratio",
}


def scope(taxonomy: Taxonomy, words: Sequence[str]) -> tuple[list[System], str]:
    """The system that a word names, else all systems; and the other words, normalized."""
    tokens = " ".join(words).split()
    for i, token in enumerate(tokens):
        for system in taxonomy.systems.values():
            if normalize(token) in (normalize(system.system), normalize(system.title)):
                return [system], normalize(" ".join(tokens[:i] + tokens[i + 1 :]))
    return list(taxonomy.systems.values()), normalize(" ".join(tokens))


def spelled(taxonomy: Taxonomy, words: Sequence[str]) -> list[Code]:
    """The codes for which the query is an accepted spelling, at most one per system."""
    systems, query = scope(taxonomy, words)
    if query == UNKNOWN:
        return [system.unknown for system in systems]
    return [
        code for system in systems if query and (code := system.match(query)) is not system.unknown
    ]


def search(taxonomy: Taxonomy, words: Sequence[str]) -> list[Code]:
    """The codes with this spelling, else the codes whose rows have all words; all codes for no words.

    A word may name a system. A number is never searched in texts: "17" must not match "17 minutes".
    Codes with the words in their names come first; otherwise the order is the taxonomy's.
    """
    if codes := spelled(taxonomy, words):
        return codes
    systems, query = scope(taxonomy, words)
    if _NUMBER.fullmatch(query):
        return []
    matches = [
        code
        for system in systems
        for code in system.codes
        if _has_words(_row_text(system, code), query)
    ]
    return sorted(matches, key=lambda code: not _has_words(normalize(code.name), query))


def near(taxonomy: Taxonomy, words: Sequence[str]) -> list[str]:
    """At most 4 accepted spellings that are similar to a query without matches, the best first."""
    systems, query = scope(taxonomy, words)
    known = dict.fromkeys(spelling for system in systems for spelling in system.index.plain)
    # With a lower cutoff, every short number is close to every other: 05 to 1005.
    return get_close_matches(query, known, n=4, cutoff=0.75)


def _row_text(system: System, code: Code) -> str:
    """The searched text of a code's row, normalized."""
    heading = system.categories.get(code.category, "")
    parts = (
        *(code.code, code.name, *code.aliases, code.description, code.causes, code.fix),
        *(code.phase, code.category, heading, code.outcome, code.owner),
    )
    return normalize(" ".join(parts))


def _has_words(text: str, query: str) -> bool:
    return all(word in text for word in query.split())


def facts(system: System, code: Code) -> list[tuple[str, str]]:
    """Labels and texts, the most important first."""
    changed = [("Changed by", code.changed_by)] if code.changed_by else []
    heading = system.categories.get(code.category)
    return [
        ("What it means", code.description),
        ("Causes", code.causes),
        ("Fix", code.fix),
        ("Who acts", f"{code.owner}: {OWNERS[code.owner]}"),
        ("Wakes someone", SEVERITIES[code.worst_severity]),
        ("Outcome", OUTCOMES[code.outcome]),
        ("Phase", _phase(system, code)),
        ("Category", f"{heading} ({code.category})" if heading else code.category),
        ("Accepted as", _accepted(system, code)),
        *changed,
        ("Runbook", code.runbook),
    ]


def _phase(system: System, code: Code) -> str:
    derived = "; derived: the vendor documents no phases"
    return code.phase + (derived if system.phase_source == "derived" else "")


def _accepted(system: System, code: Code) -> str:
    """The accepted spellings, with one clause for those with a prefix."""
    if code.code == UNKNOWN:
        return "any code that has no row of its own"
    shared = normalize(code.name) in shared_names(system.codes)
    prefixes = ", ".join(f'"{prefix}"' for prefix in PREFIXES)
    parts = [
        f"{' or '.join(numbers(code.code))}, alone or after {prefixes}",
        *(() if shared else (code.name,)),
        *code.aliases,
        *(("an event without a code",) if code is system.normal else ()),
    ]
    return "; ".join(parts)
