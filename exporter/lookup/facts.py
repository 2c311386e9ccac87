"""The facts about one code, for the terminal and for the code's page."""

from typing import Final

from exporter.names import UNKNOWN
from exporter.taxonomy.index import numbers, shared_names
from exporter.taxonomy.model import Code, Outcome, Owner, Severity, System
from exporter.taxonomy.spellings import PREFIXES, normalize

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
