"""The OpenAPI 3.1 description of both listeners, as data: what /openapi.json and /docs show.

Written by hand because the ingest route is a plain ASGI endpoint that FastAPI knows nothing of.
"""

from typing import Any, Final

import exporter
from exporter import names
from exporter.metrics.exposition import OPENMETRICS, TEXT
from exporter.ops import beacons, builds
from exporter.ops.described import ingest_server, problem, refused, security, server
from exporter.ops.schemas import CLOUDEVENT_EXAMPLE, EXAMPLE, schemas
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy

INGEST_STATUSES: Final = (400, 401, 408, 413, 415, 421, 422, 429, 431, 503)
_OF_BROWSERS: Final = ("rate_limited",)
_GATED: Final = {
    401: "No valid token.",
    421: "No token is asked for, and `allowed_hosts` does not have the name in Host.",
    429: "Too many wrong tokens from this address.",
}
_NAMED: Final = {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,128}$"}
_LEADING: Final = {
    "307": {
        "description": "To the page that has it.",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "A path."}},
    },
    "404": {
        "description": "There is none; the page names the nearest.",
        "content": {"text/html": {"schema": {"type": "string"}}},
    },
}
_CURL: Final = """curl -sS --fail-with-body {url} \\
  -H 'Content-Type: application/json' \\
  -d '{{"id": "7f1c2f0a", "system": "streampixel", "code": 4001, "session_id": "s-91"}}'"""


def document(settings: Settings, taxonomy: Taxonomy) -> dict[str, Any]:
    """The whole description; limits, systems, labels and addresses are those of this process."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "session-end-exporter",
            "version": exporter.__version__,
            "description": "Counts the ends of streaming sessions, each exactly once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [
            {"name": "ingest", "description": "For senders of events."},
            {"name": "ops", "description": "For Prometheus and people."},
        ],
        "paths": {
            names.INGEST_PATH: {
                "servers": [ingest_server(settings)],
                "post": _send(settings),
            },
            **beacons.paths(settings),
            **builds.paths(settings),
            **_ops(settings, taxonomy),
        },
        "components": {
            "schemas": {
                **schemas(settings, taxonomy),
                **beacons.schemas(settings),
                **builds.schemas(),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _send(settings: Settings) -> dict[str, Any]:
    event = {"$ref": "#/components/schemas/Event"}
    cloudevent = {"$ref": "#/components/schemas/CloudEvent"}
    several = {"type": "array", "minItems": 1, "maxItems": settings.max_events}
    url = ingest_server(settings)["url"] + names.INGEST_PATH
    return {
        "operationId": "sendSessionEnds",
        "tags": ["ingest"],
        "summary": "Report ended sessions",
        "description": "Safe to repeat: an event that was counted is not counted again. At most "
        f"{settings.max_events} events, {settings.max_body} bytes (also when unpacked) and "
        f"{settings.max_depth} levels of nesting. `Content-Encoding: gzip` is taken.",
        "security": security(settings.ingest_token_file is not None),
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Stands in for the id of a single event.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [event, {**several, "items": event}]},
                    "example": EXAMPLE,
                },
                "application/x-ndjson": {
                    "schema": {"type": "string", "description": "An Event a line."},
                    "example": '{"id":"1","system":"softdrive","code":"08"}\n'
                    '{"id":"2","system":"softdrive"}\n',
                },
                "application/cloudevents+json": {
                    "schema": cloudevent,
                    "example": CLOUDEVENT_EXAMPLE,
                },
                "application/cloudevents-batch+json": {
                    "schema": {**several, "items": cloudevent},
                    "example": [CLOUDEVENT_EXAMPLE],
                },
            },
        },
        "responses": {
            "200": {
                "description": "At least one event was valid; every accepted one is on disk and counted.",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}
                },
            },
            **{str(status): refused(status, _OF_BROWSERS) for status in INGEST_STATUSES},
        },
        "x-codeSamples": [{"lang": "Shell", "source": _CURL.format(url=url)}],
    }


def _ops(settings: Settings, taxonomy: Taxonomy) -> dict[str, Any]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    html = {"text/html": {"schema": {"type": "string"}}}
    metrics = {kind: {"schema": {"type": "string"}} for kind in (OPENMETRICS, TEXT)}
    unknown = {"type": "array", "items": {"$ref": "#/components/schemas/UnknownCode"}}
    codes = {"application/json": {"schema": unknown}}
    described = {"application/json": {"schema": {"type": "object"}}}
    guarded = settings.ops_token_file is not None
    routes: tuple[tuple[str, str, str, dict[str, Any], bool, dict[int, str]], ...] = (
        ("/", "landingPage", "The landing page", html, True, {}),
        (names.CODES_PATH, "codes", "Every code in a table, searched by `q`", html, True, {}),
        (
            names.CODES_PATH + "/{system}/{code}",
            "codeRunbook",
            "The runbook of a code, its counts of the last hour, and its alerts",
            html,
            True,
            {},
        ),
        (names.ALERTS_PATH, "alerts", "Every alert", html, True, {}),
        (
            names.ALERTS_PATH + "/{name}",
            "alertRunbook",
            "The runbook of an alert; that of a code's alert is the code's",
            html,
            True,
            {},
        ),
        (
            names.METRICS_PATH,
            "scrape",
            "Metrics: OpenMetrics when Accept names it, else text",
            metrics,
            True,
            {},
        ),
        (
            names.HEALTHY_PATH,
            "healthy",
            "200 while the process answers and the ledger's writer runs",
            text,
            False,
            {503: "Only a restart helps; the reason, in detail."},
        ),
        (
            names.READY_PATH,
            "ready",
            "200 when events can be taken, else the reason",
            text,
            False,
            {503: "The reason, in detail."},
        ),
        (
            names.UNKNOWN_CODES_PATH,
            "unknownCodes",
            "Codes that no taxonomy has, last seen first",
            codes,
            True,
            {},
        ),
        (names.DOCS_PATH, "docs", "This description, for people", html, True, {}),
        (names.OPENAPI_PATH, "openapi", "This description, for machines", described, True, {}),
    )
    servers = [server(settings.ops, settings.ops_tls_cert is not None)]
    return {
        path: {
            "servers": servers,
            "get": {
                "operationId": name,
                "tags": ["ops"],
                "summary": summary,
                "security": security(guarded and gated),
                **_asked(path, taxonomy),
                "responses": {
                    "200": {"description": summary, "content": content},
                    **(_LEADING if "{" in path else {}),
                    **{
                        str(status): problem(status, said)
                        for status, said in {**(_GATED if gated else {}), **failures}.items()
                    },
                },
            },
        }
        for path, name, summary, content, gated, failures in routes
    }


def _asked(path: str, taxonomy: Taxonomy) -> dict[str, Any]:
    """The parameters of a page about codes or alerts; nothing for other paths."""
    texts = {
        "system": "A loaded taxonomy.",
        "code": "A code's canonical spelling; others lead to it.",
        "name": "An alert's name.",
    }
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "description": text, "schema": _NAMED}
        for name, text in texts.items()
        if f"{{{name}}}" in path
    ]
    for one in found:
        if one["name"] == "system":
            one["schema"] = {"type": "string", "enum": list(taxonomy.systems)}
    if path == names.CODES_PATH:
        text = "A code, a system, or words, as `session-end-exporter codes` takes them."
        schema = {"type": "string", "maxLength": 128}
        found = [{"name": "q", "in": "query", "description": text, "schema": schema}]
    return {"parameters": found} if found else {}
