"""One code as its reader needs it: the same facts for the terminal, `--json` and links."""

import json
from collections.abc import Sequence
from typing import Final

from exporter.names import UNKNOWN
from exporter.taxonomy.model import PHASES, Code, Outcome, Owner, Severity, System, normalise
from exporter.taxonomy.spellings import PREFIXES, numbers, shared_names

OWNERS: Final = {
    Owner.CUSTOMER_NETWORK: "the customer's people for firewall, proxy, VPN and Wi-Fi",
    Owner.CLIENT: "whoever looks after the user's machine and the client on it",
    Owner.PLATFORM: "the platform's operators, or the vendor's support",
    Owner.CAPACITY: "whoever sets and buys workers, GPUs and limits",
    Owner.APPLICATION: "the team that builds and publishes the application",
    Owner.POLICY: "whoever sets limits and enables projects",
    Owner.USER: "the user; only a spike of it is anyone else's matter",
    Owner.NOBODY: "nothing is wrong",
}
SEVERITIES: Final = {
    Severity.PAGE: "yes, a spike wakes on-call",
    Severity.TICKET: "no, a spike opens a ticket",
    Severity.NONE: "never",
}
OUTCOMES: Final = {
    Outcome.SUCCESS: "success: counts for the success ratio",
    Outcome.NEUTRAL: "neutral: left out of the success ratio, watched for spikes",
    Outcome.FAILURE: "failure: counts against the success ratio",
}


def runbook(code: Code) -> str:
    """The path of the code's runbook on the ops listener."""
    return f"/codes/{code.system}/{code.code}"


def facts(system: System, code: Code) -> list[tuple[str, str]]:
    """Label and text of each line of a code's page, what to know first at the top."""
    changed = [("Changed by", code.changed_by)] if code.changed_by else []
    return [
        ("What it means", code.description),
        ("Causes", code.causes),
        ("Fix", code.fix),
        ("Who acts", f"{code.owner}: {OWNERS[code.owner]}"),
        ("Wakes someone", SEVERITIES[code.severity]),
        ("Outcome", OUTCOMES[code.outcome]),
        ("Phase", _phase(system, code)),
        ("Category", _category(system, code)),
        ("Accepted as", _accepted(system, code)),
        *changed,
        ("Runbook", runbook(code)),
    ]


def as_json(codes: Sequence[Code]) -> str:
    """A JSON array with an object for each code: its fields by name, and `runbook`, its path."""
    rows = [
        {
            "system": code.system,
            "code": code.code,
            "name": code.name,
            "phase": code.phase,
            "category": code.category,
            "outcome": code.outcome,
            "owner": code.owner,
            "severity": code.severity,
            "planned": code.planned,
            "spike_floor": code.spike_floor,
            "description": code.description,
            "causes": code.causes,
            "fix": code.fix,
            "aliases": code.aliases,
            "changed_by": code.changed_by,
            "runbook": runbook(code),
        }
        for code in codes
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def _phase(system: System, code: Code) -> str:
    if code.phase == UNKNOWN:
        return "unknown, unless the event names one"
    place = f"{code.phase} ({PHASES.index(code.phase) + 1} of {len(PHASES)})"
    ours = "our reading: the vendor names no phases"
    return place if system.phase_source == "vendor" else f"{place}; {ours}"


def _category(system: System, code: Code) -> str:
    heading = system.categories.get(code.category)
    return f"{heading} ({code.category})" if heading else code.category


def _accepted(system: System, code: Code) -> str:
    """The spellings as people write them, those with a prefix in one clause; case is ignored."""
    if code.code == UNKNOWN:
        return "any code that has no row of its own"
    both = numbers(code.code)
    names = [code.name, *code.aliases]
    if normalise(code.name) in shared_names(system.codes):
        names = list(code.aliases)
    before = ", ".join(f'"{prefix}"' for prefix in PREFIXES)
    parts = [f"{' or '.join(both)}, alone or after {before}", *names]
    if code is system.normal:
        parts.append("an event without a code")
    return "; ".join(parts)
