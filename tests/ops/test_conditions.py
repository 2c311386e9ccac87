"""Conditions in words: each number of the policy that an alert depends on is in them."""

from dataclasses import replace
from typing import Any

import pytest

from exporter.ops.conditions import Condition, condition
from exporter.ops.shelf import Shelf
from exporter.policy.loader import load as load_policy
from exporter.policy.model import Duration, Fraction, LimitWindow, Policy
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Taxonomy
from tests.metrics.still_ledger import code, taxonomy

SHIPPED = load(())
SPIKE = "StreampixelNoWorkerNodeAvailableSpike"
QUEUE = "StreampixelNoWorkerNodeAvailableQueue"


def of(alert: str, policy: Policy | None = None) -> Condition:
    shelf = Shelf(SHIPPED, policy or load_policy())
    subject = shelf.alert(alert)
    assert subject is not None
    return condition(shelf.pack, subject)


def changed(**sections: dict[str, Any]) -> Policy:
    policy = load_policy()
    fields = {name: replace(getattr(policy, name), **change) for name, change in sections.items()}
    return replace(policy, **fields)


def test_a_spike_in_words() -> None:
    """With numbers of its own: the shipped ones may be tuned without a change of words."""
    windows = tuple(
        LimitWindow("", Duration(window), floor, Fraction(of_ends), rest)
        for window, floor, of_ends, rest in (("5m", 5.0, 0.02, 4.0), ("1h", 2.5, 0.01, 1.0))
    )
    policy = changed(
        limit={"factor": 4.0, "root": 3.0, "windows": windows},
        spike={
            "confirm_factor": 6.0,
            "confirm_share": Fraction(0.01),
            "burst": Duration("90s"),
            "rest_factor": 1.5,
            "rest_root": 2.0,
            "still": Fraction(0.6),
            "for_": Duration("1m"),
            "keep_firing_for": Duration("5m"),
        },
    )
    found = of(SPIKE, policy)
    assert found.severity == "Wakes on-call"
    assert found.parts == (
        "its ends are above a limit: in 5m, above 5 + 4 × usual + 3 × √usual + 2 % of all ends, and without "
        "the worst 90s still above 4 + 1.5 × usual + 2 × √usual; or in 1h, above 2.5 + 4 × usual + "
        "3 × √usual + 1 % of all ends, and without the worst 90s still above 1 + 1.5 × usual + 2 × √usual",
        "it goes on: the next shorter window has more than 60 % of its part of them",
        "its share of all ends in 5m is more than 6 times the usual plus 1 %",
    )
    assert found.lasting == "Fires when that lasts 1m, and for 5m after it is over."
    assert "system_code:session_ends:spike" in found.expr


@pytest.mark.parametrize(
    ("alert", "policy", "said"),
    [
        (SPIKE, changed(spike={"confirm_factor": 7.0}), "more than 7 times the usual"),
        (SPIKE, changed(limit={"root": 9.0}), "9 × √usual"),
        (SPIKE, changed(spike={"for_": Duration("3m")}), "lasts 3m"),
        ("SoftdriveServerRestartOverrun", changed(overrun={"share": Fraction(0.3)}), "30 %"),
        ("SoftdriveServerRestartNew", changed(new={"ends": 8.0}), "at least 8 ends"),
        ("SoftdriveStopped", changed(stopped={"factor": Fraction(0.2)}), "below 20 %"),
        ("SoftdriveBudget", changed(budget={"objective": Fraction(0.9)}), "objective is 90 %"),
        ("SoftdriveBudget", changed(budget={"objective": Fraction(0.99)}), "more than 14.4 %"),
        (QUEUE, changed(queue={"users": 9.0}), "and 9 more"),
        (QUEUE, changed(queue={"before": Duration("40m")}), "those 40m before"),
        ("SessionEndExporterDown", changed(pipeline={"keep_firing_for": Duration("9m")}), "for 9m"),
    ],
)
def test_the_numbers_are_the_policys(alert: str, policy: Policy, said: str) -> None:
    found = of(alert, policy)
    assert said in " ".join((*found.parts, found.lasting))
    shipped = of(alert)
    assert said not in " ".join((*shipped.parts, shipped.lasting))


def test_a_planned_code_is_elevated_in_its_own_window_only() -> None:
    (planned,), (other,) = (
        of(f"{stem}Elevated").parts
        for stem in ("SoftdriveServerRestart", "SoftdriveServerException")
    )
    assert "in 6h, above" not in planned
    assert "in 1d, above" in planned
    assert "in 6h, above" in other


def test_every_alert_has_a_severity_and_an_expression() -> None:
    shelf = Shelf(SHIPPED)
    for subject in shelf.alerts:
        found = condition(shelf.pack, subject)
        assert found.expr
        assert found.severity in ("Wakes on-call", "Opens a ticket")
        assert bool(found.parts) is (subject.system is not None)


def test_a_taxonomy_without_rules_still_has_its_pages() -> None:
    """Two codes whose alerts have one name: `render` refuses, `serve` counts, and somebody looks."""
    shelf = Shelf(_clashing())
    assert shelf.alerts == ()
    assert "would both have the alert" in shelf.mistake
    assert shelf.of_code(shelf.taxonomy.systems["alpha"].codes[0]).title


def _clashing() -> Taxonomy:
    """AlphaA1Spike is the alert of "a", told from the other "a" by its code, and of "a1"."""
    return taxonomy(
        alpha=(
            replace(code("alpha", "1"), name="a"),
            replace(code("alpha", "2"), name="a"),
            replace(code("alpha", "3"), name="a1"),
        )
    )
