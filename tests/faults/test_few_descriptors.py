from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.few_descriptors import (
    AT_FIRST_REQUEST,
    FEW,
    IDLE_SHARE,
    exhaust,
    few,
    flood,
    refused_start,
)


def test_a_start_with_too_few_descriptors_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    assert "open files are limited to 64, and at least 144 are needed" in refused_start(tmp_path)


def test_the_ops_listener_answers_while_senders_take_all_connections(tmp_path: Path) -> None:
    """Fails on the mutant of the next test."""
    with few(tmp_path, FEW) as exporter:
        found = flood(exporter, 2 * FEW, scrapes=10)
    assert found.scrapes == 10
    assert found.refused > FEW
    assert found.recovered


UNLIMITED = """
from exporter.server import resources
resources.connection_limits = lambda wanted: {"ingest": 100_000, "ops": 100_000}
"""


def test_connections_without_a_limit_are_noticed(tmp_path: Path) -> None:
    with few(tmp_path, FEW, UNLIMITED) as exporter:
        assert flood(exporter, 2 * FEW, scrapes=1).scrapes == 0


def test_both_listeners_come_back_after_no_descriptor_was_left(tmp_path: Path) -> None:
    """Fails on each mutant of the next test."""
    with ExporterProcess(tmp_path / "data", mutant=AT_FIRST_REQUEST) as exporter:
        found = exhaust(exporter, 1.0)
    assert found.during == 500
    assert found.processor < IDLE_SHARE
    assert found.after == (200, 200)


IMPORT_ONCE = """
from exporter.ops import lazy_app
lazy_app._failed = lambda app: False
"""
ACCEPT_ONCE = """
from exporter.server import connections
connections._PAUSE = 3600
"""


def test_a_failure_that_is_kept_is_noticed(tmp_path: Path) -> None:
    for number, (mutant, after) in enumerate(((IMPORT_ONCE, (500, 200)), (ACCEPT_ONCE, (0, 0)))):
        with ExporterProcess(tmp_path / str(number), mutant=AT_FIRST_REQUEST + mutant) as exporter:
            assert exhaust(exporter, 0.1, patience=2).after == after


SPINNING = """
from exporter.server import connections
connections._PAUSE = 0
"""


def test_a_listener_that_tries_again_at_once_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", mutant=AT_FIRST_REQUEST + SPINNING) as exporter:
        assert exhaust(exporter, 2.0).processor > IDLE_SHARE
