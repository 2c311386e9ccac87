"""How long the tickets about the exporter last, and what is usual: windows of days, and hourly senders."""

from pathlib import Path

import pytest

from exporter import names
from tests.rules.exporter_cases import ACCEPTED, DAMAGED, LOST
from tests.rules.rule_test import Case, RuleSet, firing
from tests.rules.series import in_cluster, scraped

DAY = 24 * 60
NO_EVENTS = "SessionEndExporterNoEvents"
DELAYED = "SessionEndExporterEventsDelayed"


def accepted(*days: str) -> Case:
    """Events of days, each given as 24 digits: hundreds of events per hour."""
    total, values = 0, ["0"]
    for hour in "".join(days):
        total += 100 * int(hour)
        values.append(str(total))
    return Case({ACCEPTED: " ".join(values)}, every=60)


def test_events_that_stay_away_for_days_have_their_ticket(tmp_path: Path) -> None:
    """Fails without the week: after a day, the day before has no events either."""
    case = accepted(*["1" * 24] * 3, *["0" * 24] * 3)
    for hour in range(3, 60):
        case.fires(3 * DAY + 60 * hour, NO_EVENTS)
    RuleSet((NO_EVENTS,), step=30).check(tmp_path, case)


def test_closed_night_has_a_ticket_in_the_first_week_only(tmp_path: Path) -> None:
    """Fails without the comparison with the week before."""
    case = accepted(*["0" * 8 + "2" * 10 + "0" * 6] * 9)
    case.fires_between(2 * DAY, 3 * DAY, NO_EVENTS, True)
    case.fires_between(7 * DAY + 12 * 60, 9 * DAY, NO_EVENTS, False)
    RuleSet((NO_EVENTS,), step=30).check(tmp_path, case)


@pytest.mark.parametrize(
    ("alert", "inputs"),
    [
        ("SessionEndExporterLedgerDamaged", {DAMAGED: "0 3600x120"}),
        ("SessionEndExporterLedgerLost", {LOST: "0x3 40x120"}),
    ],
)
def test_ticket_of_a_weekend_is_there_on_monday(
    tmp_path: Path, alert: str, inputs: dict[str, str]
) -> None:
    """It lasts for four days."""
    case = Case(inputs, every=60)
    case.fires(90 * 60, alert)
    case.silent(104 * 60, alert)
    RuleSet((alert,), step=30).check(tmp_path, case)


def test_sender_that_posts_once_an_hour_has_a_ticket(tmp_path: Path) -> None:
    """Half an hour late on average. Fails with a window of an hour, in which a scrape may have no rate.
    The senders post at different minutes of the hour."""
    offsets = range(0, 60, 7)
    case = Case({})
    for offset in offsets:
        totals = " ".join(f"{60 * ((minute + offset) // 60)}" for minute in range(301))
        buckets = {"300": "0x300", "3600": totals, "+Inf": totals}
        metric = f"{names.EVENT_DELAY}_bucket"
        inputs = {scraped(metric, le=le): values for le, values in buckets.items()}
        case.inputs |= in_cluster(str(offset), inputs)
    fire = {f'{{cluster="{offset}"}}': 1.0 for offset in offsets}
    case.query(285, f"count by (cluster) ({firing(DELAYED)})", fire)
    # Evaluations between scrapes.
    RuleSet((DELAYED,), step=0.75).check(tmp_path, case)
