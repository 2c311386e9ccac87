"""The queue's alert fires ahead of its code: with exact texts, and neither just before nor nearly."""

from pathlib import Path

from tests.rules import queue_cases
from tests.rules.code_cases import alert_of, labels_of
from tests.rules.promtool import Case, run
from tests.rules.queue_cases import FILES, GROUP, codes, queued, texts


def test_a_queue_that_grows_is_a_ticket_before_the_code_spikes(tmp_path: Path) -> None:
    """Fails without `unless`, without what was before, and with a moment in place of an average."""
    grows = queue_cases.grows()
    assert grows.fired == {alert_of(code, "queue") for code in codes()}
    assert grows.verdict(tmp_path) == ""


def test_replicas_that_both_ask_count_a_user_once_and_projects_are_added(tmp_path: Path) -> None:
    (code,) = codes()
    alert = alert_of(code, "queue")
    both = [queued(project, instance) for project in ("p1", "p2") for instance in ("a:1", "b:1")]
    case = Case("1m", dict.fromkeys(both, "0x29 8x20"))
    since = "1970-01-01 00:32:00"
    case.firing("40m", alert, labels_of(code, "queue"), texts(code, 16, since))
    assert run(tmp_path, FILES, case, only=(GROUP,)) == ""


def test_without_live_stats_there_is_nothing_to_fire(tmp_path: Path) -> None:
    (code,) = codes()
    case = Case("1m", {queue_cases.spike(code): "_x60"})
    case.query("60m", "count_over_time(ALERTS[1h])", {})
    assert run(tmp_path, FILES, case, only=(GROUP,)) == ""
