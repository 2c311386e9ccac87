"""What of one code was counted, now and in the last hour."""

from datetime import UTC, datetime

from exporter.ledger.contract import Family
from exporter.ops.history import Recent
from exporter.ops.markup import Html, element
from exporter.ops.trend import reach, trend
from exporter.taxonomy.model import Code

SHORT = 5


def outcome(code: Code) -> Html:
    """The outcome with its color."""
    return element("span", code.outcome.value, class_=f"outcome {code.outcome.value}")


def live(code: Code, recent: Recent) -> Html:
    """A section: figures, and the hour as a chart."""
    key = (code.system, code.code)
    at = datetime.fromtimestamp(recent.at, UTC)
    counts: list[tuple[str, int]] = [
        (f"last {SHORT} min", recent.ended(key, SHORT)),
        ("last hour" if recent.seconds >= 3600 else "since the start", recent.ended(key, 60)),
        ("in all", recent.counted(key)),
    ]
    late = recent.totals[Family.LATE][key]
    healed = recent.totals[Family.INTERRUPTIONS][key]
    beside = [
        f"{count:,} {text}"
        for count, text in ((late, "of them late"), (healed, "drops that recovered"))
        if count
    ]
    return element(
        "section",
        element("h2", "Counted here"),
        element(
            "dl",
            *(
                element("div", element("dd", f"{count:,}"), element("dt", text))
                for text, count in counts
            ),
            class_="figures",
        ),
        element("p", f"Besides: {', '.join(beside)}.") if beside else Html(),
        trend(recent.ends.get(key, ()), recent.seconds),
        element(
            "p",
            "As of ",
            element("time", f"{at:%H:%M:%S} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}"),
            "; load again for newer counts.",
            class_="soft",
        ),
        class_="live",
        aria_label=f"Counts in {reach(recent.seconds)}",
    )
