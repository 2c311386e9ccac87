"""The queue's alert fires with exact texts, and neither just before nor nearly."""

from pathlib import Path

from tests.rules import queue_cases
from tests.rules.promtool import Case, run
from tests.rules.queue_cases import ALERT, FILES, LABELS, ONLY, SPIKE, queued, texts


def test_a_queue_that_grows_is_a_ticket_before_a_code_spikes(tmp_path: Path) -> None:
    """Fails without `unless`, without what was before, and with a moment in place of an average."""
    grows = queue_cases.grows()
    assert grows.fired == {ALERT}
    assert grows.verdict(tmp_path) == ""


def test_replicas_that_both_ask_count_a_user_once_and_projects_are_added(tmp_path: Path) -> None:
    both = [queued(project, instance) for project in ("p1", "p2") for instance in ("a:1", "b:1")]
    case = Case("1m", dict.fromkeys(both, "0x29 8x20"))
    case.firing("40m", ALERT, LABELS, texts(16, "00:32"))
    assert run(tmp_path, FILES, case, only=ONLY, records=("none",)) == ""


def test_without_live_stats_there_is_nothing_to_fire(tmp_path: Path) -> None:
    case = Case("1m", {SPIKE: "_x60"})
    case.query("60m", "count_over_time(ALERTS[1h])", {})
    assert run(tmp_path, FILES, case, only=ONLY, records=("none",)) == ""
