"""The OpenAPI description is complete and agrees with the code."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from exporter import names
from exporter.beacons.decode import MAX_AGE, decode
from exporter.beacons.sites import Site
from exporter.errors import REFUSED_REASONS
from exporter.ingest.event import MAX_DURATION, Event
from exporter.ingest.unknown import MAX_CODE
from exporter.ops.openapi import document
from exporter.settings import Settings
from exporter.token_bucket import Limit
from tests.ingest.listener import Listener
from tests.metrics.still_ledger import two_systems
from tests.ops.ops_app import Ops

DOCUMENT = document(Settings(labels=("region",)), two_systems())
SEND = DOCUMENT["paths"][names.INGEST_PATH]["post"]
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "servers"
]


def valid(schema: str, instance: Any) -> bool:
    rooted = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": SCHEMAS}}
    return bool(jsonschema_rs.validator_for(rooted, validate_formats=True).is_valid(instance))


def test_served_document_has_the_limits_of_the_process() -> None:
    served = Ops(settings=Settings(max_events=7)).get(names.OPENAPI_PATH).json()
    body = served["paths"][names.INGEST_PATH]["post"]["requestBody"]["content"]
    assert body["application/cloudevents-batch+json"]["schema"]["maxItems"] == 7


def test_every_route_of_the_ops_listener_is_described() -> None:
    routes = {route.path for route in Ops().app.routes}  # type: ignore[attr-defined]
    health = {names.HEALTHY_PATH, names.READY_PATH}
    described = {path for path, operation in OPERATIONS if operation["tags"] == ["ops"]}
    assert described == routes | health


def test_every_refusal_is_described() -> None:
    assert SCHEMAS["Problem"]["properties"]["reason"]["enum"] == list(REFUSED_REASONS)
    without = {path for path, operation in OPERATIONS if "default" not in operation["responses"]}
    assert without == {names.COLLECTOR_PATH, names.HEALTHY_PATH, names.READY_PATH}


ACCEPTED: list[dict[str, Any]] = [
    {"system": "alpha"},
    {"system": "alpha", "code": 4001, "labels": {"region": "eu", "other": 5}, "new": []},
    {"system": "beta", "code": None, "id": None, "phase": None, "final": None, "labels": None},
    {"system": "beta", "occurred_at": "2024-11-20T19:00:00+01:00", "duration_seconds": 0},
    {"system": "beta", "user": "é" * 256},
    {"system": "beta", "id": "x" * 128, "duration_seconds": MAX_DURATION},
    {"system": "beta", "id": "", "code": "", "session_id": "", "New Field": 1},
]
REJECTED: list[Any] = [
    {},
    {"system": "gamma"},
    {"system": "alpha", "code": 1.5},
    {"system": "alpha", "id": "x" * 129},
    {"system": "alpha", "occurred_at": "yesterday"},
    {"system": "alpha", "duration_seconds": -1},
    {"system": "alpha", "duration_seconds": MAX_DURATION + 1},
    {"system": "alpha", "phase": "late"},
    {"system": "alpha", "user": "x" * 257},
    {"system": "alpha", "user": 7},
    {"system": "alpha", "labels": {"region": 5}},
    [],
]


def test_event_model_agrees_with_ingest() -> None:
    assert [event for event in ACCEPTED if not valid("Event", event)] == []
    assert [event for event in REJECTED if valid("Event", event)] == []
    answer = Listener(two_systems()).send(*ACCEPTED, *REJECTED).json
    places = [row["index"] for row in answer["rejected"]]
    assert places == list(range(len(ACCEPTED), len(ACCEPTED) + len(REJECTED)))
    assert valid("Accepted", answer)
    assert answer["warnings"].keys() == SCHEMAS["Warnings"]["properties"].keys()


def test_models_have_the_decoded_fields() -> None:
    assert set(SCHEMAS["Event"]["properties"]) == set(Event.__struct_fields__)
    assert SCHEMAS["Event"]["required"] == ["system"]
    build = {"event", "projectId", "uploadId", "timestamp"}
    assert set(SCHEMAS["BuildEvent"]["properties"]) == build


def test_beacon_model_agrees_with_the_decoder() -> None:
    site = Site("site", "softdrive", frozenset(), Limit(1, 1), {"a": frozenset()})
    for accepted, fields in (
        (True, {}),
        (False, {"id": "x" * 129}),
        (True, {"age_seconds": MAX_AGE, "duration_seconds": 7 * 86400, "labels": {"a": None}}),
        (True, {"age_seconds": MAX_AGE + 1, "duration_seconds": -1}),
        (False, {"age_seconds": -1}),
        (True, {"labels": {"a": 42}}),
        (False, {"reason": 5}),
        (True, {"user": "x" * 256}),
        (False, {"user": "x" * 257}),
    ):
        beacon = {"id": "a", **fields}
        assert valid("Beacon", beacon) is accepted, fields
        assert bool(decode(json.dumps(beacon).encode(), site, 1e9, 8).rejected) is not accepted


def test_cloudevent_needs_its_attributes_and_data() -> None:
    attributes = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0"}
    event = {**attributes, "data": {"system": "beta"}}
    assert valid("CloudEvent", event)
    for name in event:
        assert not valid("CloudEvent", {key: event[key] for key in event if key != name})


def test_unknown_codes_agree_with_the_schema_and_are_listed_last_seen_first() -> None:
    ops = Ops()
    ops.unknown_codes.record("alpha", "05", 1_790_000_000.0)
    ops.unknown_codes.record("beta", "x" * (MAX_CODE + 1), 1_790_000_060.0)
    ops.unknown_codes.record("alpha", "05", 1_790_000_001.0)
    rows = beta, alpha = ops.get(names.UNKNOWN_CODES_PATH).json()
    assert all(valid("UnknownCode", row) for row in rows)
    assert (beta["system"], beta["count"]) == ("beta", 1)
    assert alpha == {
        "system": "alpha",
        "code": "05",
        "count": 2,
        "first_seen": "2026-09-21T14:13:20Z",
        "last_seen": "2026-09-21T14:13:21Z",
    }


def test_token_files_and_addresses_are_described() -> None:
    file = Path("x")
    files = dict.fromkeys(("ingest_token_file", "ops_token_file", "ops_tls_cert"), file)
    paths = document(Settings(ingest="0.0.0.0:1", **files), two_systems())["paths"]
    assert paths[names.INGEST_PATH]["servers"] == [{"url": "http://localhost:1"}]
    assert paths["/"]["servers"] == [{"url": "https://127.0.0.1:10401"}]
    assert paths[names.INGEST_PATH]["post"]["security"] == [{"token": []}]
    assert paths[names.METRICS_PATH]["get"]["security"] == [{"token": []}, {"password": []}]
    assert paths[names.READY_PATH]["get"]["security"] == []
    assert SEND["security"] == []
