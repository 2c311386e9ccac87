"""A policy is read strictly: every mistake is found in one run and named with file and line."""

from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.policy.loader import load

SHIPPED = (Path(__file__).parents[2] / "exporter" / "policy.yaml").read_text()
NUMBER = "that is not negative, such as 4 or 0.5"


def mistakes_of(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return list(caught.value.mistakes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def line_of(text: str) -> int:
    """The line of a text that the shipped policy has once."""
    (line,) = [n for n, line in enumerate(SHIPPED.splitlines(), start=1) if line == text]
    return line


def test_without_a_path_the_shipped_policy_is_loaded() -> None:
    policy = load()
    assert [one.window for one in policy.limit.windows] == ["5m", "15m", "1h"]
    assert policy.budget.objective_of("softdrive") == 0.995


def test_a_policy_with_another_threshold_is_loaded(path: Path) -> None:
    path.write_text(SHIPPED.replace("    of_ends: 0.015\n", "    of_ends: 0.03\n"))
    assert load(path).limit.windows[0].of_ends == 0.03


def test_a_system_can_have_an_objective_of_its_own(path: Path) -> None:
    own = "  objectives:\n    - {system: softdrive, objective: 0.9, reason: a trial}\n"
    path.write_text(SHIPPED.replace("  objective: 0.995\n", "  objective: 0.995\n" + own))
    assert load(path).budget.objective_of("softdrive") == 0.9
    assert load(path).budget.objective_of("streampixel") == 0.995


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        (
            "  confirm_factor: 4",
            "  confirm_factor: four",
            f"confirm_factor in spike must be a number {NUMBER}, not 'four'",
        ),
        (
            "  confirm_factor: 4",
            "  confirm_factor: -4",
            f"confirm_factor in spike must be a number {NUMBER}, not '-4'",
        ),
        (
            "  confirm_factor: 4",
            '  confirm_factor: "4"',
            f"confirm_factor in spike must be a number {NUMBER}, not '4'",
        ),
        (
            "  confirm_factor: 4",
            "  confirm_factor: .inf",
            f"confirm_factor in spike must be a number {NUMBER}, not '.inf'",
        ),
        (
            "  confirm_factor: 4",
            "  confirm_factor: [4]",
            f"confirm_factor in spike must be a number {NUMBER}, not more than one value",
        ),
        (
            "  objective: 0.995",
            "  objective: 99.5",
            "objective in budget must be a number between 0 and 1, not '99.5'",
        ),
        (
            "  burst: 90s",
            "  burst: 1.5m",
            "burst '1.5m' in spike is not a duration; allowed are a whole number and one of "
            "s, m, h, d, w, such as 5m",
        ),
        (
            "  job: session-end-exporter",
            "  job: 1",
            'job 1 in pipeline is not text to YAML: quote it as "1"',
        ),
        ("limit:", "limit: 4\nlimits:", "limit must be a mapping of keys, not a single value"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(
    path: Path, written: str, instead: str, message: str
) -> None:
    found = mistakes_of(path, SHIPPED.replace(written + "\n", instead + "\n", 1))
    assert f"{path}:{line_of(written)}: {message}" in found


def test_an_unknown_key_is_refused(path: Path) -> None:
    text = SHIPPED.replace("  confirm_factor: 4\n", "  confirm_factor: 4\n  colour: red\n")
    allowed = (
        "reason, confirm_window, confirm_factor, confirm_share, burst, rest_factor, rest_root, cap, "
        "cap_factor, cap_of_ends, still, for, keep_firing_for"
    )
    assert mistakes_of(path, text) == [
        f"{path}:{line_of('  confirm_factor: 4') + 1}: unknown key 'colour' in spike; "
        f"allowed are {allowed}"
    ]


def test_a_number_without_a_reason_is_refused(path: Path) -> None:
    reason = "      reason: 2 % of the month's budget in an hour.\n"
    assert mistakes_of(path, SHIPPED.replace(reason, "")) == [
        f"{path}:{line_of('    - long: 1h')}: key 'reason' is missing in windows[1]; required are "
        "reason, long, short, factor"
    ]


def test_a_key_that_is_written_twice_is_refused(path: Path) -> None:
    text = SHIPPED.replace("  confirm_factor: 4\n", "  confirm_factor: 4\n  confirm_factor: 5\n")
    line = line_of("  confirm_factor: 4")
    assert mistakes_of(path, text) == [
        f"{path}:{line + 1}: key 'confirm_factor' is in spike twice, first on line {line}"
    ]


def test_a_window_that_no_rule_records_is_refused(path: Path) -> None:
    text = SHIPPED.replace("  confirm_window: 5m\n", "  confirm_window: 10m\n")
    assert mistakes_of(path, text) == [
        f"{path}: spike's confirm_window 10m is not a window of limit: 5m, 15m, 1h"
    ]


@pytest.mark.parametrize(
    ("section", "earlier", "later", "written"),
    [("limit", "15m", "5m", "15m, 5m, 1h"), ("elevated", "1d", "6h", "1d, 6h")],
)
def test_windows_that_are_not_written_shortest_first_are_refused(
    path: Path, section: str, earlier: str, later: str, written: str
) -> None:
    """The rules compare each window with the one before it."""
    before, found, rest = SHIPPED.partition(f"\n{section}:\n")
    own = rest.replace(f"- window: {later}\n", "- window: swap\n", 1)
    own = own.replace(f"- window: {earlier}\n", f"- window: {later}\n", 1)
    own = own.replace("- window: swap\n", f"- window: {earlier}\n", 1)
    assert f"{path}: windows of {section} are not written shortest first: {written}" in (
        mistakes_of(path, before + found + own)
    )


@pytest.mark.parametrize(("burst", "fits"), [("4m", True), ("299s", True), ("5m", False)])
def test_a_burst_as_long_as_a_limits_window_is_refused(path: Path, burst: str, fits: bool) -> None:
    """Without its worst five minutes nothing is left of five minutes."""
    text = SHIPPED.replace("  burst: 90s\n", f"  burst: {burst}\n")
    if fits:
        path.write_text(text)
        assert load(path).spike.burst == burst
    else:
        message = f"spike's burst {burst} is not shorter than limit's windows"
        assert mistakes_of(path, text) == [f"{path}: {message}"]


@pytest.mark.parametrize(
    ("key", "shipped", "window"),
    [("before", "1h", "3h"), ("longer_before", "1h", "3h"), ("confirm", "2m", "1m")],
)
def test_a_window_of_stopped_that_no_rule_records_is_refused(
    path: Path, key: str, shipped: str, window: str
) -> None:
    # The first place is of stopped's first window.
    text = SHIPPED.replace(f"      {key}: {shipped}\n", f"      {key}: {window}\n", 1)
    assert mistakes_of(path, text) == [
        f"{path}: the {key} of stopped's 2m {window} is not a window of limit, elevated or stopped: "
        "5m, 15m, 1h, 6h, 1d, 2m, 30m, 90m"
    ]


def test_a_window_of_elevated_may_be_what_stopped_compares_with(path: Path) -> None:
    """The day is recorded for tickets; the exporter's memory must be as long."""
    text = SHIPPED.replace("      longer_before: 6h\n", "      longer_before: 1d\n")
    path.write_text(text.replace("    memory: 8h\n", "    memory: 26h\n"))
    longer = ["1h", "1h", "1h", "1d", "1d", "1d"]
    assert [one.longer_before for one in load(path).stopped.windows] == longer


def test_only_the_time_that_an_alert_waits_may_be_none(path: Path) -> None:
    path.write_text(SHIPPED.replace("  for: 30m\n", "  for: 0s\n"))
    assert load(path).elevated.for_ == "0s"
    text = SHIPPED.replace("  burst: 90s\n", "  burst: 0s\n")
    assert "burst '0s' in spike is not a duration" in mistakes_of(path, text)[0]


def test_counts_that_are_forgotten_before_stopped_compares_with_them_are_refused(
    path: Path,
) -> None:
    text = SHIPPED.replace("    memory: 8h\n", "    memory: 7h\n")
    assert mistakes_of(path, text) == [
        f"{path}: counts_missing's memory 7h is shorter than stopped's longest window and its before "
        "together"
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yaml"
    with pytest.raises(ConfigError) as caught:
        load(missing)
    assert caught.value.mistakes == (f"{missing}: can't be read: No such file or directory",)
