"""The shape of the runbooks' facts: plain text without markup, so that Markdown and HTML can show it."""

from dataclasses import dataclass, field

Answers = tuple[tuple[str, str], ...]
"""Pairs of what a query shows and what that points to."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a query answers, and how to read it when the asking runbook does not say it better."""

    title: str
    answers: Answers


@dataclass(frozen=True, slots=True)
class Step:
    """One question asked: `ask` names a query; `codes` are the codes to compare, for queries that
    compare; without `answers` the question's own hold."""

    ask: str
    codes: tuple[str, ...] = ()
    answers: Answers = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """One runbook. `first` is the first thing to do, in a sentence or two; `checks` are what to look up
    outside Prometheus; `mitigation` is in the order of doing. A code's `meaning` is its taxonomy's."""

    first: str
    impact: str
    steps: tuple[Step, ...]
    mitigation: tuple[str, ...]
    checks: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(slots=True)
class Library:
    """All facts: by (system, code), by the name of an alert that is not about a code, and what holds for
    codes that have none."""

    questions: dict[str, Question] = field(default_factory=dict)
    signals: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=dict)
    owners: dict[str, Facts] = field(default_factory=dict)
    unknown: Facts | None = None
    codes: dict[tuple[str, str], Facts] = field(default_factory=dict)
    alerts: dict[str, Facts] = field(default_factory=dict)
