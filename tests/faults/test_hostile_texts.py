"""Row 17 of the fault table, with a real Prometheus: odd texts are shown as sent."""

import time

from exporter.names import SESSION_ENDS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess
from tests.faults.exposition import PERMITTED, SHOWN_AT_ONCE, assert_parses, wait_for_ends


def test_odd_texts_of_labels_and_exemplars_reach_prometheus(tmp_path):
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        events = [
            {"system": "softdrive", "id": value, "session_id": value, "labels": {"region": value}}
            for value in PERMITTED
        ]
        assert exporter.post(events).json["accepted"] == len(PERMITTED)
        wait_for_ends(exporter, len(PERMITTED))
        for value in PERMITTED:
            assert exporter.total(SESSION_ENDS, region=value) == 1, value
        assert_parses(exporter, promtool=True)
        target = f"127.0.0.1:{exporter.ports['ops']}"
        with PrometheusProcess(tmp_path / "prometheus", [target], interval=0.5) as prometheus:

            def exemplars() -> set[str]:
                window = {"start": 0, "end": time.time() + 60}
                series = prometheus.get("query_exemplars", query=SESSION_ENDS, **window)
                shown = [exemplar for each in series for exemplar in each["exemplars"]]
                return {exemplar["labels"]["session_id"] for exemplar in shown}

            def regions() -> set[str]:
                samples = prometheus.query(f"{SESSION_ENDS} > 0")
                return {dict(labels).get("region", "") for labels in samples}

            wait_for(lambda: regions() >= set(PERMITTED), what="the odd labels")
            # An exemplar has 128 characters, name and value together, and none that is escaped.
            readable = {
                value for value in PERMITTED if len(value) < 100 and not set(value) & {'"', "\\"}
            }
            wait_for(lambda: exemplars() >= readable, what="the exemplars")
