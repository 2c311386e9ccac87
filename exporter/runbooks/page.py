"""A runbook's page as data: plain text and PromQL."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from exporter.lookup.page import OWNERS
from exporter.rule_files import Alert
from exporter.runbooks.loader import load
from exporter.runbooks.model import Answers, Facts, Library, Step
from exporter.runbooks.queries import Scope, queries
from exporter.taxonomy.model import Code, Owner, Severity, Taxonomy

_OPENING: Final = (Step("limit"), Step("share"))
_CLOSING: Final = (Step("labels"), Step("week"), Step("late"), Step("counting"))
"""Asked for every code that has alerts, unless its own steps ask it already."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One question with the queries that answer it."""

    title: str
    queries: tuple[str, ...]
    answers: Answers


@dataclass(frozen=True, slots=True)
class RunbookPage:
    """What a page says, all of it text to be escaped. `meaning` and `impact` are paragraphs,
    `mitigation` steps in their order, `checks` what to look up outside Prometheus."""

    title: str
    first: str
    meaning: tuple[str, ...]
    impact: tuple[str, ...]
    diagnosis: tuple[Diagnosis, ...]
    checks: tuple[str, ...]
    mitigation: tuple[str, ...]


def page_of(taxonomy: Taxonomy, system: str, code: str) -> RunbookPage:
    """The page of a code, `unknown` among them. Raises `KeyError` for a system or code there is not."""
    owner = taxonomy.systems[system]
    rows = {row.code: row for row in (*owner.codes, owner.unknown)}
    row = rows[code]
    library = load(taxonomy)
    facts = _facts(library, row, generic=row is owner.unknown)
    scope = Scope(system, code)
    return RunbookPage(
        title=f"{owner.title} {code}: {row.name}",
        first=facts.first,
        meaning=(
            row.description,
            f"Usual causes: {row.causes}",
            _who(row),
        ),
        impact=(facts.impact, library.outcomes[row.outcome]),
        diagnosis=_diagnosis(library, _asked(row, facts), scope),
        checks=facts.checks,
        mitigation=facts.mitigation,
    )


def page_of_alert(taxonomy: Taxonomy, alert: Alert) -> RunbookPage:
    """The page of an alert. Of an alert about codes it says what the signal means: each code has a page."""
    library = load(taxonomy)
    facts = library.alerts.get(alert.name)
    if facts is None:
        facts = Facts(
            first="Open the runbook of the code that the alert names: /codes lists all codes.",
            impact="The code's runbook says what users notice.",
            steps=(Step("others"),),
            mitigation=("Follow the runbook of the code.",),
            meaning=library.signals[alert.signal],
        )
    return RunbookPage(
        title=_words(alert.name),
        first=facts.first,
        meaning=(facts.meaning,),
        impact=(facts.impact,),
        diagnosis=_diagnosis(library, facts.steps, Scope()),
        checks=facts.checks,
        mitigation=facts.mitigation,
    )


def _who(code: Code) -> str:
    if code.owner is Owner.NOBODY:
        return "Who acts: nobody, unless these ends come in a crowd."
    return f"Who acts: {OWNERS[code.owner]}."


def _words(alert: str) -> str:
    """`SessionEndExporterDown` as people say it: the page's alert has the name as its own heading."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", alert).capitalize()


def _facts(library: Library, code: Code, *, generic: bool) -> Facts:
    """The code's own facts, or those of its owner and phase with the taxonomy's advice."""
    if generic and library.unknown is not None:
        return library.unknown
    if own := library.codes.get((code.system, code.code)):
        return own
    of_owner = library.owners[code.owner]
    return replace(
        of_owner,
        impact=f"{of_owner.impact} {library.phases[code.phase]}",
        mitigation=(*of_owner.mitigation, f"The taxonomy's own advice: {code.fix}"),
    )


def _asked(code: Code, facts: Facts) -> Sequence[Step]:
    if code.severity is Severity.NONE:
        # No rule counts a code without alerts, so there is no limit to compare with.
        return facts.steps
    own = {step.ask for step in facts.steps}
    return [
        *(step for step in _OPENING if step.ask not in own),
        *facts.steps,
        *(step for step in _CLOSING if step.ask not in own),
    ]


def _diagnosis(library: Library, steps: Sequence[Step], scope: Scope) -> tuple[Diagnosis, ...]:
    return tuple(
        Diagnosis(
            library.questions[step.ask].title,
            queries(step.ask, replace(scope, beside=step.codes)),
            step.answers or library.questions[step.ask].answers,
        )
        for step in steps
    )
