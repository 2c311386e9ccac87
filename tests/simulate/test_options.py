"""Flags become a run, or an error that names flag and rule."""

from pathlib import Path
from typing import Any

import pytest

from exporter.errors import ConfigError
from exporter.simulate.history import DAY, HOUR
from exporter.simulate.options import Options, Run
from exporter.simulate.scenario import MONDAY
from exporter.timestamps import rfc3339

NOW = 1_800_000_000.5
FILE = Path("out.ndjson")
URL = "http://127.0.0.1:10400"


def run(**options: Any) -> Run:
    if not options.keys() & {"url", "openmetrics", "ndjson"}:
        options["ndjson"] = FILE
    return Options(**options).run(NOW, random_seed=77)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, HOUR),
        ({"duration": "90s"}, 90.0),
        ({"duration": "0.5d"}, DAY / 2),
    ],
)
def test_run_lasts_an_hour_or_as_given(options: dict[str, Any], seconds: float) -> None:
    assert run(**options).seconds == seconds


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"ndjson": FILE}, NOW - 0.5 - HOUR),
        ({"openmetrics": FILE, "duration": "2d"}, NOW - 0.5 - 2 * DAY),
        ({"ndjson": FILE, "start": "2026-01-05T01:00:00+01:00"}, MONDAY),
        ({"ndjson": FILE, "start": "2026-01-05"}, MONDAY),
        ({"url": URL}, MONDAY + 8 * HOUR),
        ({"url": URL, "start": "2026-01-05T00:00:00Z"}, MONDAY),
    ],
)
def test_files_end_now_and_posts_start_in_a_morning(options: dict[str, Any], start: float) -> None:
    assert run(**options).start == start


def test_run_repeats_with_the_seed_and_start_that_it_chose() -> None:
    assert run(seed=5).seed == 5
    chosen = run()
    assert chosen.seed == 77
    assert run(seed=77, start=rfc3339(chosen.start)) == chosen


def test_incidents_start_at_their_offset_or_are_spread() -> None:
    plan = run(incidents=["stop@10m", "capacity-large", "crash-loop"], duration="4h").incidents
    assert [name for name, _ in plan] == ["stop", "capacity-large", "crash-loop"]
    assert [onset for _, onset in plan] == pytest.approx([600.0, 6000.0, 8400.0])


def test_both_systems_have_the_incidents_that_exist_for_them() -> None:
    histories = run(system="both", incidents=["tls-inspection@1m", "stop@30m"]).histories()
    assert {
        history.system: [incident.name for incident in history.incidents] for history in histories
    } == {"streampixel": ["stop"], "softdrive": ["tls-inspection", "stop"]}


def test_only_openmetrics_has_missed_scrapes_and_restarts() -> None:
    """Fails when posted events wait for the simulated restarts of a real exporter."""
    assert run(openmetrics=FILE).traffic.restarts_per_day > 0
    for options in ({"url": URL}, {"ndjson": FILE}):
        traffic = run(**options, failing=0.01).traffic
        assert (traffic.restarts_per_day, traffic.p_missed_scrape) == (0.0, 0.0)
        assert traffic.failing == 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": URL, "ndjson": FILE}, "--url, --openmetrics, --ndjson: give exactly one"),
        ({"ends_per_hour": 0.0}, "--ends-per-hour = 0: use a number from 0.1 to 1e+08"),
        ({"failing": 1.5}, "--failing = 1.5: use a number from 0 to 1"),
        ({"speed": float("nan")}, "--speed = nan: use a number from 0.01 to 1e+06"),
        ({"token_file": FILE}, "--token-file: use it with --url only"),
        ({"duration": "soon"}, "--for: 'soon' is not a duration; use 90s, 45m, 6h or 2d"),
        ({"duration": "91d"}, "--for 91d: use a duration from 15s to 90d"),
        ({"start": "yesterday"}, "--start = 'yesterday': must be a date such as 2026-01-05"),
        ({"start": "2026-01-05T08:00:00"}, "--start = '2026-01-05T08:00:00': must be a date such"),
        ({"incidents": ["nonsense"]}, "--incident nonsense: unknown; use one of capacity-small, "),
        ({"incidents": ["stop@"]}, "--incident stop@: '' is not a duration"),
        ({"incidents": ["stop@2h"]}, "--incident stop@2h: starts after the end of the simulation"),
        ({"incidents": ["maintenance"]}, "--incident maintenance: streampixel does not have this"),
    ],
)
def test_wrong_value_is_named_with_its_rule(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        run(**options)
    assert str(error.value).startswith(message)
