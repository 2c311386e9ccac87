"""The OpenAPI 3.1 description of both listeners, for /openapi.json and /docs.

Schemas come from the models. Ingest is a plain ASGI app and the pages are Starlette routes, which FastAPI
does not describe: their operations are here.
"""

from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

import exporter
from exporter import names
from exporter.beacons.decode import MAX_EVENTS
from exporter.beacons.route import MAX_BODY as MAX_BEACON
from exporter.builds.webhook import MAX_BODY as MAX_BUILD
from exporter.errors import refusals
from exporter.metrics.exposition import OPENMETRICS, TEXT
from exporter.ops.models import BEACON, BUILD, CLOUDEVENT, EVENT, MODELS, NDJSON
from exporter.settings import Settings, base_url
from exporter.taxonomy.model import Taxonomy

Json = dict[str, Any]

INGEST_STATUSES: Final = (400, 401, 408, 413, 415, 421, 422, 429, 431, 503)
BEACON_STATUSES: Final = (400, 403, 404, 408, 413, 415, 422, 429, 431, 503)
BUILD_STATUSES: Final = (400, 401, 408, 413, 415, 422, 429, 431, 503)
_STRING: Final = {"type": "string"}
_SHORT: Final = {"type": "string", "minLength": 1, "maxLength": 128}
_HEALTH: Final = {
    names.HEALTHY_PATH: ("healthy", "200 while the ledger's writer runs; otherwise restart"),
    names.READY_PATH: ("ready", "200 when events can be taken"),
}
_PAGES: Final = {
    "/": ("landingPage", "The landing page"),
    names.CODES_PATH: ("codes", "Every code in a table, searched by `q`"),
    names.CODES_PATH + "/{system}/{code}": ("codeRunbook", "The runbook of a code"),
    names.ALERTS_PATH: ("alerts", "Every alert"),
    names.ALERTS_PATH + "/{name}": ("alertRunbook", "The runbook of an alert"),
    names.DOCS_PATH: ("docs", "This description, for people"),
}
_CURL: Final = """curl -sS --fail-with-body {url} \\
  -H 'Content-Type: application/json' \\
  -d '{{"id": "7f1c2f0a", "system": "streampixel", "code": 4001, "session_id": "s-91"}}'"""


class _Schemas(GenerateJsonSchema):
    """Without titles, which repeat the names, and without null as a default."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> Json:
        described = super().default_schema(schema)
        if described.get("default", True) is None:
            del described["default"]
        return described


def document(settings: Settings, taxonomy: Taxonomy) -> Json:
    """The whole description; limits, systems, labels and addresses are those of this process."""
    ingest = base_url(settings.ingest, settings.ingest_tls_cert is not None)
    ops = base_url(settings.ops, settings.ops_tls_cert is not None)
    sides = (("ingest", ingest, _ingest(settings, ingest)), ("ops", ops, _ops(settings, taxonomy)))
    paths: Json = {
        path: {"servers": [{"url": url}], method: {"tags": [tag], **operation}}
        for tag, url, operations in sides
        for path, (method, operation) in operations.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "session-end-exporter",
            "version": exporter.__version__,
            "description": "Counts ended streaming sessions, each exactly once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [
            {"name": "ingest", "description": "For senders of events."},
            {"name": "ops", "description": "For Prometheus and people."},
        ],
        "paths": paths,
        "components": {
            "schemas": _schemas(settings, taxonomy),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _schemas(settings: Settings, taxonomy: Taxonomy) -> Json:
    _, definitions = models_json_schema(
        [(model, "validation") for model in MODELS],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    schemas: Json = {model.__name__: definitions["$defs"][model.__name__] for model in MODELS}
    for name in ("Event", "UnknownCode"):
        schemas[name]["properties"]["system"]["enum"] = list(taxonomy.systems)
    label = {"type": ["string", "null"], "maxLength": 128}
    schemas["Event"]["properties"]["labels"]["properties"] = dict.fromkeys(settings.labels, label)
    return schemas


def _ingest(settings: Settings, url: str) -> dict[str, tuple[str, Json]]:
    """Method and operation by path."""
    event, cloudevent, beacon = _ref("Event"), _ref("CloudEvent"), _ref("Beacon")
    batch: Json = {"type": "array", "minItems": 1, "maxItems": settings.max_events}
    beacons = {**batch, "maxItems": MAX_EVENTS, "items": beacon}
    beacon_body = ({"anyOf": [beacon, beacons]}, BEACON)
    cors = {"Access-Control-Allow-Origin": {"description": "The origin.", "schema": _STRING}}
    accepted = _answer("Every accepted event is on disk and counted.", _ref("Accepted"))
    rejected = _answer("Some events were rejected; do not send them again.", _ref("BeaconAnswer"))
    send = {
        "operationId": "sendSessionEnds",
        "summary": "Report ended sessions",
        "description": "Safe to repeat: an event that was counted is not counted again. At most "
        f"{settings.max_events} events, {settings.max_body} bytes (also when unpacked) and "
        f"{settings.max_depth} levels of nesting. `Content-Encoding: gzip` is supported.",
        "security": [{"token": []}] if settings.ingest_token_file else [],
        "parameters": [
            _parameter(
                "header", "Idempotency-Key", "The id of a single event without an id.", _SHORT
            )
        ],
        "requestBody": _body(
            {
                "application/json": ({"anyOf": [event, {**batch, "items": event}]}, EVENT),
                "application/x-ndjson": ({**_STRING, "description": "an Event per line"}, NDJSON),
                "application/cloudevents+json": (cloudevent, CLOUDEVENT),
                "application/cloudevents-batch+json": (
                    {**batch, "items": cloudevent},
                    [CLOUDEVENT],
                ),
            }
        ),
        "responses": {"200": accepted} | _refusals(INGEST_STATUSES, "rate_limited"),
        "x-codeSamples": [{"lang": "Shell", "source": _CURL.format(url=url + names.INGEST_PATH)}],
    }
    send_beacon = {
        "operationId": "sendBeacon",
        "summary": "Report ended sessions from a browser, with a site's public key",
        "description": f"At most {MAX_EVENTS} events and {MAX_BEACON} bytes, from the origins of the site's "
        "entry in `beacon_keys_file`. Rates count events, and each started KiB as an event. OPTIONS "
        "answers preflights; no cookie is read or set. A 4xx other than 408 and 429 is final: the same "
        "request will be refused again.",
        "security": [],
        "parameters": [
            _parameter("path", "key", "The site's public key.", {"pattern": "^[A-Za-z0-9_-]{24}$"}),
            _parameter("header", "Origin", "Browsers send it.", _STRING) | {"required": True},
        ],
        "requestBody": _body({"text/plain": beacon_body, "application/json": beacon_body}),
        "responses": {
            "200": rejected | {"headers": cors},
            "204": {"description": "Every event is on disk, now or before.", "headers": cors},
        }
        | _refusals(BEACON_STATUSES, "throttled", "not_found"),
    }
    report_build = {
        "operationId": "reportBuild",
        "summary": "Streampixel's webhook: the state of a build",
        "description": "Available when `streampixel_webhook_token_file` is set. The same event, project, "
        f"upload and time again is a duplicate. At most {MAX_BUILD} bytes.",
        "security": [],
        "parameters": [
            _parameter("path", "token", "A token of the file.", {"pattern": "^[A-Za-z0-9_-]{16,}$"})
        ],
        "requestBody": _body({"application/json": (_ref("BuildEvent"), BUILD)}),
        "responses": {"200": accepted}
        | _refusals(BUILD_STATUSES, "rate_limited", "too_many_events")
        | {"404": _problem(404, "No token file is set.")},
    }
    collector = {
        "operationId": "collector",
        "summary": "The script that sends beacons; the landing page has the element that loads it",
        "security": [],
        "responses": {
            "200": _answer("The script, for any page.", _STRING, "text/javascript"),
            "304": {"description": "Unchanged since `If-None-Match`."},
            "404": _problem(404, "This build has no script."),
        },
    }
    return {
        names.INGEST_PATH: ("post", send),
        names.BEACONS_PATH + "{key}": ("post", send_beacon),
        names.BUILDS_PATH + "{token}": ("post", report_build),
        names.COLLECTOR_PATH: ("get", collector),
    }


def _ops(settings: Settings, taxonomy: Taxonomy) -> dict[str, tuple[str, Json]]:
    """Method and operation by path."""
    rows = {"type": "array", "items": _ref("UnknownCode")}
    metrics = "Metrics: OpenMetrics when Accept names it, otherwise text"
    gets = {path: _get(*page, _STRING, "text/html") for path, page in _PAGES.items()}
    gets[names.METRICS_PATH] = _get("scrape", metrics, _STRING, TEXT, OPENMETRICS)
    gets[names.UNKNOWN_CODES_PATH] = _get("unknownCodes", "Codes that no taxonomy has", rows)
    gets[names.OPENAPI_PATH] = _get("openapi", "This description", {"type": "object"})
    words = "A code, a system, or words, as `session-end-exporter codes` takes them."
    system = {**_STRING, "enum": list(taxonomy.systems)}
    name = {**_STRING, "pattern": "^[A-Za-z0-9_.-]{1,128}$"}
    parameters = {
        names.CODES_PATH: [_parameter("query", "q", words, {**_STRING, "maxLength": 128})],
        names.CODES_PATH + "/{system}/{code}": [
            _parameter("path", "system", "A loaded taxonomy.", system),
            _parameter("path", "code", "A code; other spellings redirect to it.", name),
        ],
        names.ALERTS_PATH + "/{name}": [_parameter("path", "name", "An alert's name.", name)],
    }
    location = {"Location": {"description": "A path.", "schema": _STRING}}
    for path, get in gets.items():
        get["security"] = [{"token": []}, {"password": []}] if settings.ops_token_file else []
        get["parameters"] = parameters.get(path, [])
        get["responses"] |= {
            "401": _problem(401, "No valid token."),
            "421": _problem(421, "No token file is set, and `allowed_hosts` lacks the Host."),
            "429": _problem(429, "Too many wrong tokens from this address."),
        }
        if "{" in path:
            get["responses"]["307"] = {"description": "To the name.", "headers": location}
            get["responses"]["404"] = _answer("A page of similar names.", _STRING, "text/html")
    for path, health in _HEALTH.items():
        gets[path] = _get(*health, _STRING, "text/plain") | {"security": []}
        gets[path]["responses"]["503"] = _problem(503, "The reason, in detail.")
    return {path: ("get", get) for path, get in gets.items()}


def _get(operation_id: str, summary: str, schema: Json, *media: str) -> Json:
    responses = {"200": _answer(summary, schema, *media)}
    return {"operationId": operation_id, "summary": summary, "responses": responses}


def _ref(model: str) -> Json:
    return {"$ref": f"#/components/schemas/{model}"}


def _parameter(place: str, name: str, description: str, schema: Json) -> Json:
    parameter = {"name": name, "in": place, "description": description}
    return parameter | {"required": place == "path", "schema": _STRING | schema}


def _body(content: dict[str, tuple[Json, Any]]) -> Json:
    """A request body; `content` has schema and example by media type."""
    described = {
        media: {"schema": schema, "example": example}
        for media, (schema, example) in content.items()
    }
    return {"required": True, "content": described}


def _answer(description: str, schema: Json, *media: str) -> Json:
    content = {name: {"schema": schema} for name in media or ("application/json",)}
    return {"description": description, "content": content}


def _problem(status: int, description: str) -> Json:
    answer = _answer(description, _ref("Problem"), "application/problem+json")
    if status in (429, 503):
        wait = "Seconds to wait before sending the same again."
        schema = {"type": "integer", "minimum": 1}
        answer["headers"] = {"Retry-After": {"description": wait, "schema": schema}}
    return answer


def _refusals(statuses: tuple[int, ...], *without: str) -> Json:
    """Every refusal of ingest with these statuses, except for reasons that the path does not have."""
    described: Json = {}
    for kind in refusals():
        if kind.status in statuses and kind.reason not in without:
            titles = described.setdefault(str(kind.status), [])
            titles.append(f"{kind.title} (`{kind.reason}`)")
    return {
        status: _problem(int(status), f"{'; '.join(titles)}. Nothing was counted.")
        for status, titles in described.items()
    }
