"""The OpenAPI description of what browsers use: beacons, and the script that sends them."""

from typing import Any, Final

from exporter import names
from exporter.beacons.decode import MAX_AGE, MAX_DURATION, MAX_EVENTS
from exporter.beacons.route import MAX_BODY
from exporter.ops.described import ingest_server, problem, refused
from exporter.settings import Settings

STATUSES: Final = (400, 408, 413, 415, 422, 429, 431, 503)
_TOKENS: Final = ("throttled",)
_EXAMPLE: Final = {
    "id": "0b5e2f9c-7d1c-4b7e-9a57-3f6f1f0f9f1e",
    "code": 4001,
    "session_id": "s-91",
    "age_seconds": 0.4,
    "final": True,
}
_CORS: Final = {
    "Access-Control-Allow-Origin": {
        "description": "The request's origin.",
        "schema": {"type": "string"},
    }
}


def paths(settings: Settings) -> dict[str, Any]:
    """Both paths, at the ingest listener."""
    servers = [ingest_server(settings)]
    return {
        names.BEACONS_PATH + "{key}": {"servers": servers, "post": _beacon()},
        names.COLLECTOR_PATH: {"servers": servers, "get": _collector()},
    }


def schemas(settings: Settings) -> dict[str, Any]:
    """`Beacon`, the event as a browser sends it, and `BeaconAnswer`."""
    fields: dict[str, Any] = {
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "description": "1 to 128 bytes of UTF-8, the same each time the event is sent. Two sites may "
            "use the same one.",
        },
        "code": {"type": ["string", "integer", "null"], "description": "As in Event."},
        "reason": {
            "type": ["string", "null"],
            "description": "The platform's words, looked up as the code when there is none.",
        },
        "session_id": {"type": ["string", "null"], "description": "As in Event."},
        "age_seconds": {
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": MAX_AGE,
            "description": "How long ago it ended, by a clock that only counts; default 0. Stands for "
            f"occurred_at, which no browser may send. Above {settings.max_event_age:g} it counts as late.",
        },
        "duration_seconds": {
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": MAX_DURATION,
            "description": "At most a week.",
        },
        "final": {"type": ["boolean", "null"], "default": True, "description": "As in Event."},
        "labels": {
            "type": ["object", "null"],
            "additionalProperties": {"type": ["string", "null"], "maxLength": 128},
            "description": "Names and values that the site's entry has; other values become `other`.",
        },
    }
    rejected = {"type": "array", "items": {"$ref": "#/components/schemas/Rejection"}}
    return {
        "Beacon": {
            "type": "object",
            "required": ["id"],
            "properties": fields,
            "description": "One ended session, as a browser saw it. Its system is the key's.",
            "examples": [_EXAMPLE],
        },
        "BeaconAnswer": {
            "type": "object",
            "required": ["rejected"],
            "properties": {"rejected": rejected},
            "description": "The events that will be rejected each time; the others are done.",
        },
    }


def _beacon() -> dict[str, Any]:
    one = {"$ref": "#/components/schemas/Beacon"}
    several = {"type": "array", "minItems": 1, "maxItems": MAX_EVENTS, "items": one}
    body = {"schema": {"anyOf": [one, several]}, "example": _EXAMPLE}
    return {
        "operationId": "sendBeacon",
        "tags": ["ingest"],
        "summary": "Report ended sessions from a browser, with a site's public key",
        "description": f"At most {MAX_EVENTS} events and {MAX_BODY} bytes, from the pages that the site's "
        "entry in `beacon_keys_file` names. Rates count events, and each started KiB as one. OPTIONS answers "
        "preflights; no cookie is read or set. Any 4xx but 408 and 429 is final: the same will be refused "
        "again.",
        "security": [],
        "parameters": [
            {
                "name": "key",
                "in": "path",
                "required": True,
                "description": "The site's key: it sends events and reads nothing.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{24}$"},
            },
            {
                "name": "Origin",
                "in": "header",
                "required": True,
                "description": "Browsers send it of themselves.",
                "schema": {"type": "string"},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {"text/plain": body, "application/json": body},
        },
        "responses": {
            "200": {
                "description": "Some events were rejected; nothing is to be sent again.",
                "headers": _CORS,
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/BeaconAnswer"}}
                },
            },
            "204": {
                "description": "Every event is on disk, now or since it was sent before.",
                "headers": _CORS,
            },
            **{str(status): refused(status, _TOKENS) for status in STATUSES},
            "403": refused(403),
            "404": refused(404),
        },
    }


def _collector() -> dict[str, Any]:
    script = {"text/javascript": {"schema": {"type": "string"}}}
    return {
        "operationId": "collector",
        "tags": ["ingest"],
        "summary": "The script that sends beacons; the landing page has the element that loads it",
        "security": [],
        "responses": {
            "200": {"description": "The script, for any page.", "content": script},
            "304": {"description": "It is as `If-None-Match` says."},
            "404": problem(404, "This build has none."),
        },
    }
