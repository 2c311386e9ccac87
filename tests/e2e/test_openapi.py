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
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.exposition import assert_parses
from tests.faults.floods import KEY, ORIGIN, beacon_sites
from tests.streampixel.webhook import TOKEN, token_file

CONFORMANCE: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
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
    document: dict[str, Any] = exporter.request("ops", "GET", names.OPENAPI_PATH).json
    return document


def statuses_of(
    exporter: ExporterProcess,
    document: dict[str, Any],
    path: str,
    mode: GenerationMode = POSITIVE,
    examples: int = 30,
) -> set[int]:
    """Send generated requests to the only operation of `path`: the statuses of the answers, each checked."""
    schema = schemathesis.openapi.from_dict({**document, "paths": {path: document["paths"][path]}})
    listener = "ops" if "get" in document["paths"][path] else "ingest"
    schema.config.update(base_url=f"http://127.0.0.1:{exporter.ports[listener]}")
    (result,) = schema.get_all_operations()
    statuses = set()

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=result.ok().as_strategy(generation_mode=mode))
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
    statuses = statuses_of(exporter, document, path, mode)
    assert statuses & expected
    if path.startswith(names.BUILDS_PATH) and mode is POSITIVE:
        assert statuses == expected
    assert_parses(exporter)


def test_ops_paths_answer_as_described(exporter: ExporterProcess) -> None:
    document = described(exporter)
    operations = {path: item.get("get", {"tags": ()}) for path, item in document["paths"].items()}
    paths = [path for path, operation in operations.items() if "ops" in operation["tags"]]
    assert paths
    for path in paths:
        if "{" in path:
            # Generated names seldom exist.
            assert 404 in statuses_of(exporter, document, path, examples=20) <= {200, 404}
        else:
            assert statuses_of(exporter, document, path, examples=3) == {200}
