"""Flags become a run, or a mistake that names option and rule."""

from pathlib import Path
from typing import Any

import pytest

from exporter.errors import ConfigError
from exporter.simulate.options import Options, Run, resolve
from exporter.simulate.scenario import MONDAY
from exporter.simulate.traffic import DAY, HOUR

NOW = 1_800_000_000.5
FILE = Path("out.ndjson")
URL = "http://127.0.0.1:10400"


def run(**options: Any) -> Run:
    if not options.keys() & {"url", "openmetrics", "ndjson"}:
        options["ndjson"] = FILE
    return resolve(Options(**options), NOW, lambda: 77)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, HOUR),
        ({"days": 1.5}, 1.5 * DAY),
        ({"hours": 2.0}, 2 * HOUR),
        ({"duration": "90s"}, 90.0),
        ({"duration": "45m"}, 45 * 60.0),
        ({"duration": "0.5d"}, DAY / 2),
        ({"incidents": ["standard"]}, 28 * DAY),
        ({"incidents": ["standard"], "days": 3.0}, 3 * DAY),
    ],
)
def test_the_time_is_an_hour_or_what_was_said(options: dict[str, Any], seconds: float) -> None:
    assert run(**options).seconds == seconds


@pytest.mark.parametrize(
    ("options", "start", "dated"),
    [
        ({"ndjson": FILE}, NOW - 0.5 - HOUR, True),
        ({"openmetrics": FILE, "days": 2.0}, NOW - 0.5 - 2 * DAY, True),
        ({"ndjson": FILE, "start": "now"}, NOW - 0.5, True),
        ({"ndjson": FILE, "start": "2026-01-05T01:00:00+01:00"}, MONDAY, True),
        ({"url": URL}, MONDAY + 8 * HOUR, False),
        ({"url": URL, "start": "now"}, NOW - 0.5, False),
        ({"url": URL, "speed": 1.0}, NOW - 0.5, True),
        ({"url": URL, "speed": 1.0, "start": "2026-01-05T00:00:00Z"}, MONDAY, False),
    ],
)
def test_files_end_now_and_posted_events_have_their_time_only_where_it_is_true(
    options: dict[str, Any], start: float, dated: bool
) -> None:
    """Fails when compressed time is sent as `occurred_at`: it is months off, and counted as late."""
    found = run(**options)
    assert (found.start, found.dated) == (start, dated)


def test_a_seed_that_was_not_given_is_drawn_and_told() -> None:
    assert run(seed=5).seed == 5
    assert run().seed == 77
    assert run(url=URL).repeat == "--seed 77 --start 2026-01-05T08:00:00Z"
    drawn = run(ndjson=FILE)
    again = run(ndjson=FILE, seed=77, start=drawn.repeat.rpartition(" ")[2])
    assert again == drawn


def test_incidents_begin_where_they_are_told_to_or_apart() -> None:
    plan = run(incidents=["stop@10m", "capacity-large", "crash-loop"], hours=4.0).incidents
    assert [name for name, _ in plan] == ["stop", "capacity-large", "crash-loop"]
    assert [onset for _, onset in plan] == pytest.approx([600.0, 6000.0, 8400.0])
    assert run(incidents=["stop"]).incidents == [("stop", 900.0)]
    assert run(incidents=["standard"]).incidents == "standard"


def test_both_systems_have_the_incidents_that_they_know() -> None:
    found = run(system="both", incidents=["tls-inspection@1m", "stop@30m"])
    names = {
        history.system: [one.name for one in history.incidents] for history in found.histories()
    }
    assert names == {"streampixel": ["stop"], "softdrive": ["tls-inspection", "stop"]}


def test_as_many_fail_as_asked_for_however_it_is_written() -> None:
    for options in ({"url": URL}, {"ndjson": FILE}, {"openmetrics": FILE}):
        assert run(**options, failing=0.01).traffic.failing == 0.01
        assert run(**options).traffic.failing is None


def test_only_a_scraped_past_has_missed_scrapes_and_restarts() -> None:
    """Fails when posted events wait for the restarts of an exporter that does not restart."""
    assert run(openmetrics=FILE).traffic.restarts_per_day > 0
    for options in ({"url": URL}, {"ndjson": FILE}):
        traffic = run(**options).traffic
        assert (traffic.restarts_per_day, traffic.p_missed_scrape) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": URL, "ndjson": FILE}, "--url, --openmetrics, --ndjson: give one of them"),
        ({"url": None}, "--url, --openmetrics, --ndjson: give one of them"),
        ({"system": "mine"}, "--system = 'mine': one of streampixel, softdrive, both"),
        ({"ends_per_hour": 0.0}, "--ends-per-hour = 0: from 0.1 to 100,000,000"),
        ({"ends_per_hour": float("nan")}, "--ends-per-hour = nan"),
        ({"failing": 1.5}, "--failing = 1.5: from 0 to 1, a part of all ends"),
        ({"failing": float("nan")}, "--failing = nan"),
        ({"speed": 0.0}, "--speed = 0: from 0.01 to 1,000,000"),
        ({"speed": float("inf")}, "--speed = inf"),
        ({"seed": -1}, "--seed = -1: at least 0"),
        ({"token_file": FILE}, "--token-file: goes with --url"),
        ({"days": 1.0, "hours": 1.0}, "--days, --hours: give one of them"),
        ({"days": 0.0}, "--days: from 15 s to 90 days, not 0 s"),
        ({"days": float("nan")}, "--days: from 15 s to 90 days"),
        ({"hours": 1e9}, "--hours: from 15 s to 90 days"),
        ({"duration": "soon"}, "--for: 'soon' is no duration, such as 90s, 45m, 6h, 2d"),
        ({"duration": "-5m"}, "--for: '-5m' is no duration"),
        ({"start": "yesterday"}, "--start = 'yesterday': now, or RFC 3339 such as 2026-01-05T08"),
        ({"start": "2026-01-05T08:00:00"}, "--start = '2026-01-05T08:00:00': now, or RFC 3339"),
        ({"start": "1900-01-05T08:00:00Z"}, "--start = '1900-01-05T08:00:00Z'"),
        ({"incidents": ["nonsense"]}, "--incident nonsense: one of capacity-small, "),
        ({"incidents": ["stop@"]}, "--incident stop@: '' is no duration"),
        ({"incidents": ["stop@2h"]}, "--incident stop@2h: the simulation ends after 3600 s"),
        ({"incidents": ["maintenance"]}, "--incident maintenance: streampixel does not have it"),
        ({"incidents": ["standard", "stop"]}, "--incident standard: give it alone"),
    ],
)
def test_a_value_that_can_not_be_is_named_with_its_rule(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        run(**options)
    assert str(error.value).startswith(said)
