"""/metrics: negotiation, and any text in labels."""

import re
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from exporter import names
from exporter.ledger.contract import OF_SESSIONS, Exemplar, Family, Series, Total
from exporter.metrics.collector import zero_series
from exporter.metrics.exposition import OPENMETRICS, TEXT, render
from exporter.metrics.own import OwnMetrics, StateCollector
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.server.certificates import export_certificates
from exporter.streampixel.builds import BuildsCollector, build_series
from exporter.streampixel.live_stats import Poller, Users
from exporter.watched import RELOADED
from tests.metrics.still_ledger import StillLedger, duration, total, two_systems
from tests.metrics.test_collector import registry_of
from tests.programs import finished

PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    ('"', "\\", "\n", '\\n"', "\0", "\r", "\U0001f600", "a\u2028b", '"} 1\nfake_total 9', "# EOF")
)
COUNTERS = (names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS)
LABEL_NAMES = (*names.SERIES_LABELS, "region", "project", names.LEDGER)
Parser = Callable[[str], Iterable[Metric]]

moments = st.floats(min_value=0, max_value=4e9, allow_subnormal=False)


@st.composite
def totals(draw: st.DrawFn) -> list[Total]:
    """Totals with two configured labels and any text in labels and session ids."""
    series = draw(
        st.lists(
            st.builds(Series, st.sampled_from(Family), *[texts] * 5, st.tuples(texts, texts)),
            max_size=6,
            unique_by=lambda series: series.key,
        )
    )
    return [
        Total(
            each,
            draw(st.integers(0, 2**63)),
            draw(st.booleans()),
            draw(st.none() | st.builds(Exemplar, texts | st.text("x", min_size=116), moments)),
        )
        for each in series
    ]


def samples(body: str, parse: Parser) -> list[Sample]:
    """Sorted samples with float values."""
    return sorted(
        (
            sample._replace(value=float(sample.value))
            for family in parse(body)
            for sample in family.samples
        ),
        key=lambda sample: (sample.name, sorted(sample.labels.items())),
    )


def openmetrics(total: Total) -> str:
    return render(registry_of(StillLedger([total])), PROMETHEUS_2_42)[0].decode()


@pytest.mark.parametrize(("accept", "parse"), [("", parse_text), (PROMETHEUS_3, parse_openmetrics)])
@settings(deadline=None, max_examples=30)
@given(given_totals=totals())
def test_totals_are_parsed_as_they_are(
    accept: str, parse: Parser, given_totals: list[Total]
) -> None:
    registry = registry_of(StillLedger(given_totals), "region", "project")
    written = samples(render(registry, accept)[0].decode(), parse)
    counters = dict(zip(OF_SESSIONS, COUNTERS, strict=True))
    expected = []
    for each in given_totals:
        if name := counters.get(each.series.family):
            labels = dict(zip(LABEL_NAMES, (*each.series.key[1:], "k3f9"), strict=True))
            value = 0 if each.delayed else each.value
            expected.append((name, labels, float(value)))
    assert [sample[:3] for sample in written if sample.name in COUNTERS] == sorted(
        expected, key=lambda sample: (sample[0], sorted(sample[1].items()))
    )


@pytest.mark.parametrize("accept", [PROMETHEUS_2_42, "text/plain"])
def test_lone_surrogate_does_not_break_the_exposition(accept: str) -> None:
    body = render(registry_of(StillLedger([total(3, "\ud800")]), "region"), accept)[0].decode()
    assert 'region="?"' in body


def full_registry() -> CollectorRegistry:
    """Every collector of the exporter, with values."""
    series = [*zero_series(two_systems(), ("region",)), *build_series(("region",)).values()]
    zeros = [Total(each, 0) for each in series]
    ledger = StillLedger([*zeros, total(5, "eu", session="s-1")], [duration(1, 2, seconds=9.5)])
    registry = registry_of(ledger, "region")
    registry.register(TaxonomyCollector(two_systems(), "http://127.0.0.1:10401", ""))
    registry.register(BuildsCollector(ledger))
    registry.register(Poller(("p1",), 30, fetch=never))
    registry.register(StateCollector(ledger))
    registry.register(RELOADED)
    export_certificates({}, registry)
    OwnMetrics(registry, ["alpha", "beta"], ["region"])
    return registry


async def never(_project: str) -> Users:
    raise AssertionError


def test_promtool_has_no_complaint() -> None:
    body, _ = render(full_registry(), "")
    done = finished("promtool", "check", "metrics", input=body.decode())
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("accept", [PROMETHEUS_2_42, ""])
def test_creation_times_are_not_exported(accept: str) -> None:
    assert b"_created" not in render(full_registry(), accept)[0]


def test_every_named_metric_is_exported() -> None:
    texts = {value for key, value in vars(names).items() if key.isupper() and key[0] != "_"}
    metrics = {text for text in texts if re.fullmatch(r"session_[a-z_]+", str(text))}
    body = render(full_registry(), "")[0].decode()
    assert metrics - {names.SESSION_ID} <= set(re.findall(r"^# TYPE (\S+)", body, re.M))


def test_large_counter_is_written_exactly() -> None:
    body, _ = render(registry_of(StillLedger([total(2**53 + 1)])), "")
    assert b" 9007199254740993\n" in body


def test_last_session_is_an_exemplar_with_its_time() -> None:
    body = openmetrics(total(session="s-\U0001f600", at=1_790_000_000.5))
    (exemplar,) = [
        sample.exemplar for sample in samples(body, parse_openmetrics) if sample.exemplar
    ]
    assert exemplar[:2] == ({"session_id": "s-\U0001f600"}, 1.0)
    assert float(exemplar.timestamp or 0) == 1_790_000_000.5
    assert " # {" not in openmetrics(total(delayed=True, session="s-1"))


@pytest.mark.parametrize(
    ("session", "exported"),
    [
        *(("é" * 118, True), ("", True), ("s # {a='b'}\r,", True)),
        *(("é" * 119, False), ("a\0b", False), ('"', False), ("\\", False), ("a\n", False)),
    ],
)
def test_exemplar_that_readers_refuse_is_omitted(session: str, exported: bool) -> None:
    """A reader would refuse the whole scrape. The name `session_id` takes 10 of the 128 characters."""
    body = openmetrics(total(session=session))
    assert (" # {" in body) is exported
    assert samples(body, parse_openmetrics)


@pytest.mark.parametrize(
    ("accept", "openmetrics_"),
    [
        (PROMETHEUS_2_42, True),
        (PROMETHEUS_3, True),
        ("Application/OpenMetrics-Text; version=abc; charset=utf-8", True),
        ("application/vnd.google.protobuf;encoding=delimited", False),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("", False),
    ],
)
def test_openmetrics_is_negotiated(accept: str, openmetrics_: bool) -> None:
    body, content_type = render(registry_of(StillLedger()), accept)
    assert content_type == (OPENMETRICS if openmetrics_ else TEXT)
    assert body.endswith(b"# EOF\n") is openmetrics_
