"""A ledger with totals and a status that a test sets; it accepts no events."""

from dataclasses import dataclass, field

from exporter.ledger.contract import (
    BUCKETS,
    DurationTotal,
    Exemplar,
    Family,
    Series,
    Status,
    Total,
    Totals,
)
from exporter.taxonomy.model import Code, Outcome, Owner, Severity, System, Taxonomy, unknown_code
from exporter.taxonomy.spellings import index

AT = 1_790_000_000.25


@dataclass
class StillLedger:
    series: list[Total] = field(default_factory=list)
    durations: list[DurationTotal] = field(default_factory=list)
    state: Status = field(default_factory=lambda: Status(window_capacity=1_000_000))
    ledger: str = "k3f9"

    def totals(self) -> Totals:
        return Totals(self.ledger, self.series, self.durations)

    def status(self) -> Status:
        return self.state


def code(system: str, spelling: str, outcome: Outcome = Outcome.FAILURE) -> Code:
    return Code(
        system=system,
        code=spelling,
        name=f"Name of {spelling}",
        phase="stream",
        category="things",
        outcome=outcome,
        owner=Owner.PLATFORM,
        severity=Severity.TICKET,
        description="It ended.",
        causes="Many.",
        fix="Some.",
    )


def two_systems() -> Taxonomy:
    """`alpha` has all three outcomes. `beta` also has a code 1001, and no neutral code.

    The first code of each system is the normal one.
    """
    systems = {
        "alpha": (
            code("alpha", "none", Outcome.SUCCESS),
            code("alpha", "1001"),
            code("alpha", "10", Outcome.NEUTRAL),
        ),
        "beta": (code("beta", "1000", Outcome.SUCCESS), code("beta", "1001", Outcome.SUCCESS)),
    }
    return Taxonomy(
        {
            name: System(
                system=name,
                title=name.title(),
                source="a test",
                phase_source="derived",
                categories={"things": "Things"},
                codes=codes,
                normal=codes[0],
                unknown=unknown_code(name),
                index=index(codes),
            )
            for name, codes in systems.items()
        }
    )


def total(
    value: int = 1,
    *labels: str,
    family: Family = Family.ENDS,
    code: str = "1001",
    delayed: bool = False,
    session: str | None = None,
    at: float = AT,
) -> Total:
    series = Series(family, "alpha", code, "stream", "things", "failure", labels)
    example = Exemplar(session, at) if session is not None else None
    return Total(series, value, delayed, example)


def duration(*counts: int, seconds: float = 0.0) -> DurationTotal:
    """A histogram of `alpha`'s failures; missing counts are 0."""
    filled = (*counts, *(0,) * (len(BUCKETS) + 1 - len(counts)))
    return DurationTotal("alpha", "failure", filled, seconds)
