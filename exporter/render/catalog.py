"""Which alerts there are: their names, signals, severities and subjects, before any expression or text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from exporter.errors import ConfigError
from exporter.names import UNKNOWN
from exporter.taxonomy.model import Code, Severity, System, Taxonomy

PAGE: Final = "page"
TICKET: Final = "ticket"


class Signal(StrEnum):
    """What an alert has seen."""

    SPIKE = "spike"
    OVERRUN = "overrun"
    ELEVATED = "elevated"
    NEW = "new"
    QUEUE = "queue"
    STOPPED = "stopped"
    BUDGET = "budget"
    PIPELINE = "pipeline"


PIPELINE: Final = {
    "SessionEndExporterDown": PAGE,
    "SessionEndExporterAbsent": PAGE,
    "SessionEndExporterCountsMissing": TICKET,
    "SessionEndExporterNoEvents": TICKET,
    "SessionEndExporterLedgerNotWritable": PAGE,
    "SessionEndExporterLedgerDamaged": TICKET,
    "SessionEndExporterLedgerLost": TICKET,
    "SessionEndExporterLedgerMisconfigured": TICKET,
    "SessionEndExporterRequestsRefused": TICKET,
    "SessionEndExporterEventsRejected": TICKET,
    "SessionEndExporterUnknownCodes": TICKET,
    "SessionEndExporterClockSkew": TICKET,
    "SessionEndExporterEventsDelayed": TICKET,
    "SessionEndExporterDedupWindowFull": TICKET,
}
"""Alerts about the exporter itself, with their severities."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One alert: `code` is None for a system's, `system` too for the exporter's own."""

    alert: str
    signal: Signal
    severity: str
    system: System | None = None
    code: Code | None = None


Codes = frozenset[tuple[str, str]]
"""(system, code) pairs."""


def subjects(taxonomy: Taxonomy, queued: Codes = frozenset()) -> tuple[Subject, ...]:
    """Every alert, systems in load order, codes in the file's. Planned codes get `overrun` instead of
    `spike`; `queued` are those ahead of which users wait, which get `queue`.

    Raises `ConfigError` when two alerts would have one name.
    """
    found: dict[str, Subject] = {}
    clashes: dict[tuple[str, str], str] = {}
    for subject in _subjects(taxonomy, queued):
        first = found.setdefault(subject.alert, subject)
        # Prometheus takes both, and then a silence, a runbook's heading and `Since` mean either.
        if first is not subject:
            clashes.setdefault((_about(first), _about(subject)), subject.alert)
    if clashes:
        raise ConfigError(
            *(
                f"{first} and {second} would both have the alert {alert}; give one another name"
                for (first, second), alert in clashes.items()
            )
        )
    return tuple(found.values())


def _subjects(taxonomy: Taxonomy, queued: Codes) -> Iterator[Subject]:
    for system in taxonomy.systems.values():
        for code in (*system.codes, system.unknown):
            if code.severity is Severity.NONE:
                continue
            burst = Signal.OVERRUN if code.planned else Signal.SPIKE
            severity = TICKET if code.planned else str(code.severity.value)
            stem = stem_of(system, code)
            yield Subject(stem + _camel(burst), burst, severity, system, code)
            waiting = (Signal.QUEUE,) if (code.system, code.code) in queued else ()
            for signal in (Signal.ELEVATED, Signal.NEW, *waiting):
                yield Subject(stem + _camel(signal), signal, TICKET, system, code)
        for signal, severity in ((Signal.STOPPED, PAGE), (Signal.BUDGET, TICKET)):
            yield Subject(_camel(system.system) + _camel(signal), signal, severity, system)
    for alert, severity in PIPELINE.items():
        yield Subject(alert, Signal.PIPELINE, severity)


def stem_of(system: System, code: Code) -> str:
    """System and name in CamelCase; the code too where a name is shared: `SoftdriveInternalError1001`."""
    word = _word(code)
    shared = sum(_word(other) == word for other in (*system.codes, system.unknown)) > 1
    return _camel(system.system) + word + (_camel(code.code) if shared else "")


def _word(code: Code) -> str:
    """The name; the code where the name has nothing for an alert's name, such as one in Japanese."""
    if code.code == UNKNOWN:
        return "UnknownCode"
    name = _camel(code.name)
    return name if re.search("[A-Za-z]", name) else _camel(code.code)


def _about(subject: Subject) -> str:
    if subject.system is None:
        return "the exporter itself"
    system = f"system {subject.system.system!r}"
    return f"code {subject.code.code!r} of {system}" if subject.code else system


def _camel(text: str) -> str:
    """Words of ASCII letters and digits joined, each with a capital; capitals inside a word stay
    (`TLSHandshakeFailed`)."""
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", text))
