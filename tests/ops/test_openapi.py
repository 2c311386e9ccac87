"""The description of both listeners: true to the code, and usable by tools."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from exporter import names
from exporter.errors import RateLimited, refusals
from exporter.ingest.event import Event
from exporter.ingest.unknown import MAX_CODE
from exporter.ops.openapi import INGEST_STATUSES, document
from exporter.settings import Settings
from tests.metrics.still_ledger import two_systems
from tests.ops.asking import Ops

DOCUMENT = document(Settings(labels=("region",)), two_systems())
SEND = DOCUMENT["paths"][names.INGEST_PATH]["post"]
SCHEMAS = DOCUMENT["components"]["schemas"]


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from refs(inner)
    if isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def valid(schema: str, instance: Any) -> bool:
    rooted = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": SCHEMAS}}
    found: bool = jsonschema_rs.validator_for(rooted, validate_formats=True).is_valid(instance)
    return found


def test_it_is_served_as_json_with_this_process_limits() -> None:
    served = json.loads(Ops(settings=Settings(max_events=7)).get(names.OPENAPI_PATH).body)
    body = served["paths"][names.INGEST_PATH]["post"]["requestBody"]["content"]
    assert body["application/cloudevents-batch+json"]["schema"]["maxItems"] == 7


def test_every_reference_leads_somewhere_and_operations_have_names_of_their_own() -> None:
    assert {ref.removeprefix("#/components/schemas/") for ref in refs(DOCUMENT)} <= set(SCHEMAS)
    operations = [
        item[method]["operationId"]
        for item in DOCUMENT["paths"].values()
        for method in item
        if method != "servers"
    ]
    assert len(operations) == len(set(operations))


def test_every_route_of_the_ops_listener_is_described_and_no_other() -> None:
    routes = {route.path for route in Ops().pages.routes}  # type: ignore[attr-defined]
    health = {names.HEALTHY_PATH, names.READY_PATH}
    described = {
        path
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method != "servers" and item[method]["tags"] == ["ops"]
    }
    assert described == routes | health


def test_the_event_has_the_fields_that_are_decoded() -> None:
    assert set(SCHEMAS["Event"]["properties"]) == set(Event.__struct_fields__)


def test_the_media_types_of_the_contract_are_there() -> None:
    assert set(SEND["requestBody"]["content"]) == {
        "application/json",
        "application/x-ndjson",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    }


def test_every_refusal_that_the_route_can_answer_is_described() -> None:
    elsewhere = {403, 404, 405, 500}
    assert {kind.status for kind in refusals()} - elsewhere == set(INGEST_STATUSES)
    assert set(SEND["responses"]) == {"200", *map(str, INGEST_STATUSES)}
    for kind in refusals():
        if kind.status not in elsewhere and kind is not RateLimited:
            assert kind.reason in SEND["responses"][str(kind.status)]["description"]


@pytest.mark.parametrize(
    "event",
    [
        {"system": "alpha"},
        {"system": "alpha", "code": 4001, "labels": {"region": "eu", "other": 5}, "new": []},
        {"system": "beta", "code": None, "id": None, "phase": None, "final": None, "labels": None},
        {"system": "beta", "occurred_at": "2026-11-20T19:00:00+01:00", "duration_seconds": 0},
    ],
)
def test_the_schema_takes_what_the_contract_takes(event: dict[str, Any]) -> None:
    assert valid("Event", event)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"system": "gamma"},
        {"system": "alpha", "code": 1.5},
        {"system": "alpha", "code": True},
        {"system": "alpha", "id": ""},
        {"system": "alpha", "id": "x" * 129},
        {"system": "alpha", "occurred_at": "yesterday"},
        {"system": "alpha", "duration_seconds": -1},
        {"system": "alpha", "phase": "late"},
        {"system": "alpha", "labels": {"region": 5}},
        [],
    ],
)
def test_the_schema_refuses_what_the_contract_refuses(event: Any) -> None:
    assert not valid("Event", event)


@pytest.mark.parametrize("without", ["id", "source", "type", "specversion", "data"])
def test_a_cloudevent_has_its_attributes_and_its_data(without: str) -> None:
    event = {
        "id": "1",
        "source": "/s",
        "type": "t",
        "specversion": "1.0",
        "data": {"system": "beta"},
    }
    assert valid("CloudEvent", event)
    del event[without]
    assert not valid("CloudEvent", event)


@pytest.mark.parametrize("path", [names.READY_PATH, "/"])
def test_a_problem_is_what_the_schema_says(path: str) -> None:
    problem = json.loads(Ops().get(path, "POST").body)
    assert valid("Problem", problem)


def test_unknown_codes_are_what_the_schema_says() -> None:
    ops = Ops()
    ops.unknown_codes.record("alpha", "x" * (MAX_CODE + 1), 1_790_000_000.0)
    (row,) = json.loads(ops.get(names.UNKNOWN_CODES_PATH).body)
    assert valid("UnknownCode", row)


def test_a_token_is_wanted_where_there_is_a_token_file() -> None:
    described = document(
        Settings(ingest_token_file=Path("a"), ops_token_file=Path("b")), two_systems()
    )["paths"]
    assert described[names.INGEST_PATH]["post"]["security"] == [{"token": []}]
    assert described[names.METRICS_PATH]["get"]["security"] == [{"token": []}, {"password": []}]
    assert described[names.READY_PATH]["get"]["security"] == []
    assert SEND["security"] == []


def test_servers_are_addresses_that_one_can_ask() -> None:
    described = document(
        Settings(
            ingest="0.0.0.0:1",
            allow_anonymous="ingest",
            ops_tls_cert=Path("c"),
            ops_tls_key=Path("k"),
        ),
        two_systems(),
    )["paths"]
    assert described[names.INGEST_PATH]["servers"] == [{"url": "http://localhost:1"}]
    assert described["/"]["servers"] == [{"url": "https://127.0.0.1:10401"}]
