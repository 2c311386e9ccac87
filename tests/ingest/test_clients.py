"""CloudEvents' Python SDK, as its users call it, posts to a running exporter."""

from collections.abc import Iterator

import httpx
import pytest
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent

from exporter.names import INGEST_PATH, SESSION_ENDS
from tests.e2e.exporter_process import ExporterProcess

ATTRIBUTES = {"type": "session.end", "source": "/signalling/eu"}


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    data_dir = tmp_path_factory.mktemp("sdk") / "data"
    with ExporterProcess(data_dir, settings={"strict_fields": "true"}) as running:
        yield running


@pytest.mark.parametrize("attributes", [{}, {"datacontenttype": "application/json"}])
def test_both_modes_of_the_python_sdk_count_an_event_once(
    exporter: ExporterProcess, attributes: dict[str, str]
) -> None:
    """In binary mode the SDK sends no Content-Type unless the event has a datacontenttype."""
    url = f"http://127.0.0.1:{exporter.ports['ingest']}{INGEST_PATH}"
    event = CloudEvent(ATTRIBUTES | attributes, {"system": "streampixel", "code": 4001})
    assert ("content-type" in to_binary(event)[0]) == bool(attributes)
    before = exporter.total(SESSION_ENDS, code="4001")
    binary, structured = (
        httpx.post(url, content=body, headers=headers, trust_env=False).json()
        for headers, body in (to_binary(event), to_structured(event))
    )
    assert (binary["accepted"], structured["duplicates"]) == (1, 1)
    assert exporter.total(SESSION_ENDS, code="4001") == before + 1


def test_setting_strict_fields_rejects_unknown_fields(exporter: ExporterProcess) -> None:
    reply = exporter.post({"system": "streampixel", "error_code": 4001})
    assert reply.json["rejected"][0]["reason"] == "unknown_field"
