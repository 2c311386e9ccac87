import json
import time
from pathlib import Path

import pytest

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess
from tests.faults.exposition import SHOWN_AT_ONCE, counted, parses
from tests.faults.poison import FORBIDDEN, PERMITTED, poison


def test_forbidden_labels_are_rejected_and_odd_ones_shown_as_sent(tmp_path: Path) -> None:
    """Row 17."""
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        for what, value in FORBIDDEN.items():
            reply = exporter.post({"system": "softdrive", "labels": {"region": value}})
            assert reply.status == 422, what
            assert reply.json["rejected"][0]["reason"] in ("invalid_label", "invalid_field"), what
            parses(exporter)
        assert exporter.total("session_ends_total") == 0
        for number, value in enumerate(PERMITTED):
            event = {"system": "softdrive", "id": f"p{number}", "labels": {"region": value}}
            assert exporter.post(event).json["accepted"] == 1, value
            parses(exporter)
        counted(exporter, len(PERMITTED))
        for value in PERMITTED:
            assert exporter.total("session_ends_total", region=value) == 1, value
        parses(exporter, promtool=True)


def test_a_session_id_of_any_characters_leaves_metrics_readable(tmp_path: Path) -> None:
    """Row 17: exemplars are the one place where /metrics shows what a sender chose freely."""
    with ExporterProcess(tmp_path / "data", settings={"labels": "region"}) as exporter:
        texts = [value for value in FORBIDDEN.values() if isinstance(value, str)]
        for number, text in enumerate([*texts, *PERMITTED, "", "x" * 100_000]):
            event = {
                "system": "softdrive",
                "id": f"s{number}",
                "session_id": text,
                "code": "unheard",
            }
            reply = exporter.post(event)
            assert reply.status in (200, 422), text
            parses(exporter)
        assert exporter.total("session_ends_total", code="unknown") > len(PERMITTED)
        parses(exporter, promtool=True)


def test_a_real_prometheus_reads_every_odd_label_and_exemplar(tmp_path: Path) -> None:
    """Row 17: the parser that matters."""
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        events = [
            {"system": "softdrive", "id": value, "session_id": value, "labels": {"region": value}}
            for value in PERMITTED
        ]
        assert exporter.post(events).json["accepted"] == len(PERMITTED)
        counted(exporter, len(PERMITTED))
        target = f"127.0.0.1:{exporter.ports['ops']}"
        with PrometheusProcess(tmp_path / "prometheus", [target], interval=0.5) as prometheus:

            def exemplars() -> set[str]:
                found = prometheus.get(
                    "query_exemplars", query="session_ends_total", start=0, end=time.time() + 60
                )
                return {one["labels"]["session_id"] for each in found for one in each["exemplars"]}

            def regions() -> set[str]:
                found = prometheus.query("session_ends_total > 0")
                return {dict(labels)["region"] for labels in found}

            wait_for(lambda: regions() == set(PERMITTED), what="the odd labels")
            # Exemplars have 128 characters, name and value together; Prometheus 2.42 shows the values of
            # exemplars as they stand in the text, escapes and all.
            short = {
                json.dumps(one, ensure_ascii=False)[1:-1] for one in PERMITTED if len(one) < 100
            }
            wait_for(lambda: exemplars() == short, what="the exemplars")


UNESCAPED = """
from exporter.metrics import family
family.escaped = lambda value: value
"""


def test_a_poisoned_exposition_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE, mutant=UNESCAPED) as exporter:
        exporter.post({"system": "softdrive", "labels": {"region": 'quote " quote'}})
        with pytest.raises(ValueError, match=r".+"):
            parses(exporter)


def test_metrics_parse_after_every_event_of_odd_texts(tmp_path: Path) -> None:
    """Two thousand in `make faults`."""
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        assert poison(exporter, 30, seed=1) > 10


def test_texts_that_are_not_escaped_are_noticed(tmp_path: Path) -> None:
    with (
        ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE, mutant=UNESCAPED) as exporter,
        pytest.raises((ValueError, AssertionError), match=r".+"),
    ):
        poison(exporter, 30, seed=1)
