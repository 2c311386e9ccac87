"""`POST /v1/logs`: answers of OTLP/HTTP, counts, and the same limits as for other events."""

import errno
import gzip
import json
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from exporter.errors import LedgerUnavailable, QueueFull, Refused, ShuttingDown, TooManyRequests
from exporter.ingest.otlp import route
from exporter.names import LOGS_PATH
from exporter.taxonomy.model import Taxonomy
from tests.ingest.listener import JSON, Answer, Listener, Refusing, Stream
from tests.ingest.otlp.messages import END, PROTOBUF, TIME, as_json, record, request

Headers = dict[bytes, bytes]
both_forms = pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])


def export(
    listener: Listener, message: ExportLogsServiceRequest, headers: Headers = PROTOBUF
) -> Answer:
    body = message.SerializeToString()
    if headers[b"content-type"] == b"application/json":
        body = json.dumps(as_json(message)).encode()
    if b"content-encoding" in headers:
        body = gzip.compress(body)
    return listener.post(body, headers, path=LOGS_PATH)


def parsed(answer: Answer, message: Any) -> Any:
    """The message of an answer."""
    if answer.headers[b"content-type"] == PROTOBUF[b"content-type"]:
        return message.FromString(answer.body)
    assert answer.headers[b"content-type"] == b"application/json"
    # protobuf writes integers of 64 bits as text, and its parser also accepts numbers.
    assert isinstance(answer.json.get("partialSuccess", {}).get("rejectedLogRecords", ""), str)
    return Parse(answer.body, message())


def partial(answer: Answer) -> ExportLogsPartialSuccess:
    assert answer.status == 200
    return parsed(answer, ExportLogsServiceResponse).partial_success


def status_message(answer: Answer, headers: Headers) -> str:
    """The message of a `google.rpc.Status`, which has the type of its request."""
    assert answer.headers[b"content-type"] == headers[b"content-type"]
    return str(parsed(answer, Status).message)


# --- success ----------------------------------------------------------------------------------------


@both_forms
@pytest.mark.parametrize("packed", [False, True])
def test_record_counts_once_however_often_it_is_sent(
    listener: Listener, headers: Headers, packed: bool
) -> None:
    sent = {**headers, b"content-encoding": b"gzip"} if packed else headers
    message = request(record({**END, "log.record.uid": "u-1"}), record())
    for _ in range(2):
        answer = export(listener, message, sent)
        assert answer.body == (b"{}" if headers is JSON else b"")
        assert partial(answer) == ExportLogsPartialSuccess()
    assert listener.value("accepted_events_total") == 2
    assert listener.value("duplicate_events_total") == 2


def test_record_and_posted_event_with_one_id_count_once(listener: Listener) -> None:
    event = {**END, "id": "u-1", "occurred_at": "2026-11-20T19:00:00Z", "labels": {"region": "eu"}}
    assert listener.send(event).json["accepted"] == 1
    given = record({**END, "log.record.uid": "u-1", "region": "eu"})
    assert partial(export(listener, request(given))) == ExportLogsPartialSuccess()
    assert listener.value("duplicate_events_total") == 1


@pytest.mark.parametrize("text", [rb'"stringValue": "hi \ud83d"', b'"stringValue": null'])
def test_lone_surrogate_or_null_changes_no_id_and_refuses_nothing(
    listener: Listener, text: bytes
) -> None:
    """Fails when the request is refused, because clients drop all records after a 400, or with other ids."""
    alone = as_json(request(record()))
    others = request(record(name="x", body="text"), record(time=TIME + 1, body="text"))
    together = {"resourceLogs": alone["resourceLogs"] + as_json(others)["resourceLogs"]}
    sent = json.dumps(together).encode().replace(b'"stringValue": "text"', text)
    for body in (sent, sent, json.dumps(alone).encode()):
        answer = listener.post(body, JSON, path=LOGS_PATH)
        assert (answer.status, answer.body) == (200, b"{}")
    assert listener.value("accepted_events_total") == 2
    assert listener.value("duplicate_events_total") == 3
    assert listener.value("ignored_log_records_total", reason="other_event") == 2


@both_forms
def test_other_records_are_acknowledged_and_counted_by_reason(
    listener: Listener, headers: Headers
) -> None:
    for message in (ExportLogsServiceRequest(), request(record(name=""), record(name="x"))):
        assert partial(export(listener, message, headers)) == ExportLogsPartialSuccess()
    assert listener.value("ignored_log_records_total", reason="no_event_name") == 1
    assert listener.value("ignored_log_records_total", reason="other_event") == 1
    assert listener.memory.batches == []


@both_forms
def test_rejected_records_are_a_partial_success_with_the_first_reason(
    listener: Listener, headers: Headers
) -> None:
    valid = record({**END, "region": "eu"})
    message = request(valid, record({"code": 1}), record({"system": "nope"}))
    assert partial(export(listener, message, headers)) == ExportLogsPartialSuccess(
        rejected_log_records=2,
        error_message="system: required, the name of a loaded taxonomy (record 1: missing_system)",
    )
    assert listener.value("accepted_events_total") == 1
    assert listener.value("rejected_events_total", reason="unknown_system") == 1
    assert listener.clients == ["127.0.0.1"] * 2


def test_request_of_rejected_records_only_is_a_partial_success(listener: Listener) -> None:
    """Fails when the answer is 422, as for other events: a client drops the request after both."""
    success = partial(export(listener, request(record({}), record({}))))
    assert success.rejected_log_records == 2
    assert "event 0: system: required" in success.error_message
    assert listener.value("rejected_events_total", reason="missing_system") == 2


@pytest.mark.parametrize(
    ("attributes", "time", "warning"),
    [
        (END, 0, "at_least_once: 1 records have no id and no time, a retry counts again"),
        ({**END, "code": 9999}, TIME, "unknown_codes: 9999"),
        ({"system": "softdrive", "error_code": 1}, TIME, "ignored_fields: error_code"),
        (END, 1, "late: 1 records, the oldest of 1970-01-01T00:00:00Z"),
    ],
)
def test_doubtful_record_is_counted_with_a_warning(
    listener: Listener, attributes: dict[str, Any], time: int, warning: str
) -> None:
    success = partial(export(listener, request(record(attributes, time=time))))
    assert success == ExportLogsPartialSuccess(error_message=warning)
    assert listener.value("accepted_events_total") == 1
    assert listener.value("at_least_once_events_total") == (time == 0)


# --- refusals ---------------------------------------------------------------------------------------


@both_forms
def test_body_that_cannot_be_decoded_is_400(listener: Listener, headers: Headers) -> None:
    answer = listener.post(b"{[\xff", headers, path=LOGS_PATH)
    assert answer.status == 400
    assert status_message(answer, headers).startswith("The body can't be parsed: not an OTLP logs")
    assert listener.value("refused_requests_total", reason="unparseable") == 1


@both_forms
@pytest.mark.parametrize("refusal", [LedgerUnavailable, QueueFull, ShuttingDown])
def test_retryable_refusal_is_503(
    listener: Listener, headers: Headers, refusal: type[Refused]
) -> None:
    """Fails when a record is acknowledged, or counted as ignored, before its request is on disk."""
    listener.memory.refusal = refusal("why")
    answer = export(listener, request(record(), record(name="x")), headers)
    assert answer.status == 503
    assert answer.headers[b"retry-after"] == b"1"
    assert status_message(answer, headers) == f"{refusal.title}: why ({refusal.reason})"
    assert listener.total("ignored_log_records_total") == 0


@both_forms
def test_failed_import_is_503_and_is_repeated(
    listener: Listener, headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails with a 500, after which a client drops the records: the process may be short of open files."""

    def fail(name: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(route, "import_module", fail)
        answer = export(listener, request(record()), headers)
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"1")
    assert status_message(answer, headers).endswith("the exporter's log has the details (internal)")
    assert listener.value("refused_requests_total", reason="internal") == 1
    assert partial(export(listener, request(record()), headers)) == ExportLogsPartialSuccess()


@both_forms
def test_token_is_checked_before_the_body(taxonomy: Taxonomy, headers: Headers) -> None:
    listener = Listener(taxonomy, authenticator=Refusing(TooManyRequests("why", retry_after=7)))
    answer = listener.post(b"{", headers, path=LOGS_PATH)
    assert (answer.status, answer.headers[b"retry-after"]) == (429, b"7")
    assert status_message(answer, headers).endswith("(throttled)")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({b"content-type": b"text/plain"}, b"", 415),
        ({**PROTOBUF, b"content-encoding": b"zstd"}, b"", 415),
        ({**PROTOBUF, b"content-encoding": b"gzip"}, gzip.compress(bytes(2 * 1024**2)), 413),
        (PROTOBUF, request(*[record()] * 1001).SerializeToString(), 413),
    ],
    ids=["type", "encoding", "bomb", "records"],
)
def test_limits_are_those_of_other_events(
    listener: Listener, headers: Headers, body: bytes, status: int
) -> None:
    answer = listener.post(body, headers, path=LOGS_PATH)
    assert answer.status == status
    assert status_message(answer, PROTOBUF)


def test_sender_that_leaves_gets_no_answer(listener: Listener) -> None:
    assert listener.post(Stream([]), PROTOBUF, path=LOGS_PATH).status == 0
    assert listener.total("requests_total") == 0
