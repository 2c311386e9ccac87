"""A real exporter answers requests that schemathesis makes as /openapi.json describes."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from exporter import names
from exporter.names import ALERTS_PATH
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.exposition import assert_parses
from tests.faults.floods import KEY, ORIGIN, beacon_sites
from tests.streampixel.webhook import TOKEN, token_file

EXAMPLES = 30
CONFORMANCE: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPS = (
    "/",
    names.CODES_PATH,
    ALERTS_PATH,
    names.METRICS_PATH,
    names.HEALTHY_PATH,
    names.READY_PATH,
    names.UNKNOWN_CODES_PATH,
    names.DOCS_PATH,
    names.OPENAPI_PATH,
)
PAGES_BY_NAME = (names.CODES_PATH + "/{system}/{code}", ALERTS_PATH + "/{name}")
"""Pages whose path has a name: generated names seldom exist."""
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
MEDIA = (
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)


def _json(value: Any) -> bytes:
    """JSON of any generated value, lone surrogates included."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return repr(value).encode("utf-8", "backslashreplace")


@schemathesis.serializer("text/plain")
def _text(_: object, value: Any) -> bytes:
    return _json(value)


@schemathesis.serializer("application/x-ndjson")
def _lines(_: object, value: Any) -> bytes:
    return b"\n".join(map(_json, value if isinstance(value, list) else [value]))


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    folder = tmp_path_factory.mktemp("openapi")
    settings = {
        "labels": "region",
        "max_label_values": 5,
        "beacon_keys_file": beacon_sites(folder),
        "beacon_rate": 10_000,
        "beacon_address_rate": 10_000,
        "streampixel_webhook_token_file": token_file(folder),
    }
    with ExporterProcess(folder / "data", settings=settings) as running:
        yield running


def described(exporter: ExporterProcess) -> dict[str, Any]:
    reply = exporter.request("ops", "GET", names.OPENAPI_PATH)
    assert reply.status == 200
    document: dict[str, Any] = reply.json
    return document


def operation(exporter: ExporterProcess, document: dict[str, Any], listener: str, path: str) -> Any:
    """The only operation of `path`, sent to `listener`."""
    schema = schemathesis.openapi.from_dict({**document, "paths": {path: document["paths"][path]}})
    schema.config.update(base_url=f"http://127.0.0.1:{exporter.ports[listener]}")
    (result,) = schema.get_all_operations()
    return result.ok()


def statuses_of(target: Any, mode: GenerationMode, examples: int = EXAMPLES) -> set[int]:
    """Send generated requests to an operation: the statuses of the answers, each checked."""
    statuses = set()

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=target.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        response = case.call()
        assert response.status_code < 500 or response.status_code == 503, response.text
        case.validate_response(response, checks=CONFORMANCE)
        statuses.add(response.status_code)

    send()
    return statuses


REQUESTS: dict[tuple[str, str], tuple[set[int], set[int]]] = {
    **{(names.INGEST_PATH, media): ({200}, {400, 415, 422}) for media in MEDIA},
    (names.BEACONS_PATH + "{key}", "text/plain"): ({204}, set()),
    (names.BEACONS_PATH + "{key}", "application/json"): (set(), {400, 403, 404, 422}),
    (names.BUILDS_PATH + "{token}", "application/json"): ({200}, {400, 415, 422}),
}
"""Statuses for a path and a format; a valid request has one of the first, an invalid one of the second."""


@pytest.mark.parametrize(
    ("path", "media", "mode", "expected"),
    [
        pytest.param(path, media, mode, statuses, id=f"{path}-{media}-{mode.value}")
        for (path, media), both in REQUESTS.items()
        for mode, statuses in zip((POSITIVE, NEGATIVE), both, strict=True)
        if statuses
    ],
)
def test_posts_are_answered_as_described(
    exporter: ExporterProcess, path: str, media: str, mode: GenerationMode, expected: set[int]
) -> None:
    document = described(exporter)
    post = document["paths"][path]["post"]
    content = post["requestBody"]["content"]
    if path == names.INGEST_PATH:
        assert set(content) == set(MEDIA)
    chosen = content[media]
    if media == "application/x-ndjson":
        # JSON Schema can't describe lines; the serializer above makes lines of an array.
        chosen = {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}}}
    post["requestBody"]["content"] = {media: chosen}
    known = {"key": KEY, "Origin": ORIGIN, "token": TOKEN}
    for parameter in post.get("parameters", ()):
        if parameter["name"] in known:
            parameter["schema"] = {"type": "string", "enum": [known[parameter["name"]]]}
    stamp = document["components"]["schemas"]["BuildEvent"]["properties"]["timestamp"]
    # Half of the generated times are in the future, which another rule refuses.
    stamp["enum"] = ["2026-01-02T03:04:05Z", "1999-12-31T23:59:59.999+05:30"]
    statuses = statuses_of(operation(exporter, document, "ingest", path), mode)
    assert statuses & expected
    if path.startswith(names.BUILDS_PATH) and mode is POSITIVE:
        assert statuses == expected
    assert_parses(exporter)


@pytest.mark.parametrize("path", [*OPS, *PAGES_BY_NAME])
def test_ops_paths_answer_as_described(exporter: ExporterProcess, path: str) -> None:
    document = described(exporter)
    ingest = {path for path, _ in REQUESTS} | {names.LOGS_PATH, names.COLLECTOR_PATH}
    assert set(document["paths"]) == {*OPS, *PAGES_BY_NAME, *ingest}
    target = operation(exporter, document, "ops", path)
    if path in OPS:
        assert statuses_of(target, POSITIVE, 3) == {200}
    else:
        assert 404 in statuses_of(target, POSITIVE, 20) <= {200, 404}
