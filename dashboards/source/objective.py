"""The success ratio in green or red, by the objective of each system."""

from dashboards.source.panels import Query
from dashboards.source.queries import ON_SYSTEM, SYSTEMS, objective, selector
from dashboards.source.style import BAD, GOOD, Override, by_query, colored
from exporter import names


def met_and_missed(ratio: str) -> list[Query]:
    """`A` has the systems whose ratio meets their objective now, `B` the others."""
    return [
        Query(f"({ratio}) {comparison} {ON_SYSTEM} {objective()}", "{{system}}", now=True)
        for comparison in (">=", "<")
    ]


def met_and_missed_at_end(ratio: str, window: str) -> list[Query]:
    """The same over time: the window's ratio at the end of the range decides."""
    last = f"{selector(names.RULE_ERROR_RATIO + window, SYSTEMS)} @ end()"
    allowed = f"{ON_SYSTEM} (1 - {objective()} @ end())"
    return [
        Query(f"({ratio})\nand {ON_SYSTEM} ({last} {comparison} {allowed})", "{{system}}")
        for comparison in ("<=", ">")
    ]


def colors() -> list[Override]:
    """Of both queries. Thresholds of a panel would be the same for every system."""
    return [by_query("A", colored(GOOD)), by_query("B", colored(BAD))]
