"""The comparisons find each semantic that is taken out: mutants of the evaluation against promtool."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exporter.promql import alerts, dependencies, feedback, ranges, result, selector
from exporter.promql.alerts import Activity, States
from exporter.promql.rulefile import Group, load
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.selector import Settings
from tests.promql.compared import compared
from tests.promql.dumped import Dump, dump
from tests.promql.test_run import GROUPS, ROWS, STEP, rule_file, scraped

Patch = Callable[[pytest.MonkeyPatch], None]
SETTINGS = Settings(subquery_step=STEP * 1000)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Group, ...], Dump]:
    folder = tmp_path_factory.mktemp("mutants")
    path: Path = rule_file(folder)
    return load([path]), dump(folder, [path], [*GROUPS, "alerts"], scraped(1), STEP)


def run(groups: tuple[Group, ...], settings: Settings = SETTINGS) -> Run:
    last = (ROWS - 1) * STEP
    return Run(groups, scraped(1), 0, last, interval=STEP, keep=None, settings=settings)


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, lookback=10 * 60_000),
        replace(SETTINGS, lookback=4 * 60_000),
        replace(SETTINGS, left_open=True),
        replace(SETTINGS, subquery_step=60_000),
    ],
    ids=["longer lookback", "shorter lookback", "ranges of Prometheus 3", "subquery step"],
)
def test_other_settings_give_other_values(
    written: tuple[tuple[Group, ...], Dump], settings: Settings
) -> None:
    groups, theirs = written
    assert compared(run(groups), theirs) == []
    assert compared(run(groups, settings), theirs) != []


def no_staleness(patch: pytest.MonkeyPatch) -> None:
    known = property(lambda samples: samples.last_present)
    patch.setattr(Samples, "last_known", known)


def no_resets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ranges, "_resets", lambda windows: np.zeros(windows.samples.values.shape))


def no_extrapolation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ranges, "THRESHOLD", 1e9)


def no_order(patch: pytest.MonkeyPatch) -> None:
    """All rules see what any rule wrote at the same instant."""
    patch.setattr(selector.Instants, "visible", lambda instants, stored, wanted: wanted)


def no_feedback(patch: pytest.MonkeyPatch) -> None:
    """Rules that read their own results are evaluated once."""
    patch.setattr(feedback.Feedback, "_evaluated", once(feedback.Feedback._evaluated))


def once(evaluated: Callable[..., int | None]) -> Callable[..., int | None]:
    def without_change(self: feedback.Feedback, span: np.ndarray) -> None:
        evaluated(self, span)

    return without_change


def no_steps(patch: pytest.MonkeyPatch) -> None:
    """Subqueries see at all instants what is written by the end."""
    patch.setattr(dependencies.Dependencies, "unsafe", lambda *_: set())


def no_states(patch: pytest.MonkeyPatch) -> None:
    """An alert that holds itself forgets at each span since when it is active."""

    def forgotten(*_: object) -> States:
        return {}

    patch.setattr(feedback.Feedback, "_advance", forgotten)


def no_dependencies(patch: pytest.MonkeyPatch) -> None:
    """Rules are evaluated in the order of their files."""
    components = dependencies.Dependencies.components
    patch.setattr(dependencies.Dependencies, "components", lambda self: sorted(components(self)))


def without(**durations: int) -> Callable[..., Activity]:
    def activity(*arguments: object, **_: object) -> Activity:
        names = ("vector", "failed", "times", "states", "wait", "keep")
        return alerts.activity(**dict(zip(names, arguments, strict=True)) | durations)

    return activity


def no_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(result, "activity", without(wait=0))


def no_keep(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(result, "activity", without(keep=0))


@pytest.mark.parametrize(
    "mutant",
    [
        no_staleness,
        no_resets,
        no_extrapolation,
        no_order,
        no_feedback,
        no_steps,
        no_states,
        no_dependencies,
        no_wait,
        no_keep,
    ],
    ids=lambda mutant: mutant.__name__,
)
def test_a_mutant_gives_other_values(
    written: tuple[tuple[Group, ...], Dump], monkeypatch: pytest.MonkeyPatch, mutant: Patch
) -> None:
    groups, theirs = written
    mutant(monkeypatch)
    assert compared(run(groups), theirs) != []
