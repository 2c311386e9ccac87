"""The OpenAPI description of the platform's build webhook."""

from typing import Any, Final

from exporter import names
from exporter.builds.events import EVENTS
from exporter.builds.webhook import MAX_BODY
from exporter.ops.described import ingest_server, problem, refused
from exporter.settings import Settings

STATUSES: Final = (400, 401, 408, 413, 415, 422, 429, 431, 503)
_OF_OTHERS: Final = ("rate_limited", "too_many_events")
_EXAMPLE: Final = {
    "event": "build.approved",
    "projectId": "664f1a2b3c4d5e6f7a8b9c0d",
    "uploadId": "665a2b3c4d5e6f7a8b9c0e1f",
    "fileUrl": "https://your-bucket.s3.amazonaws.com/builds/v1.2.0.zip",
    "status": "Approved",
    "objection": None,
    "timestamp": "2026-11-20T18:50:00.000Z",
}


def paths(settings: Settings) -> dict[str, Any]:
    """The path, at the ingest listener."""
    servers = [ingest_server(settings)]
    return {names.BUILDS_PATH + "{token}": {"servers": servers, "post": _webhook()}}


def schemas() -> dict[str, Any]:
    """`BuildEvent`, what Streampixel posts."""
    name = {"type": "string", "minLength": 1, "maxLength": 128}
    fields = {
        "event": {"type": "string", "enum": list(EVENTS)},
        "projectId": name,
        "uploadId": {**name, "type": ["string", "null"]},
        "timestamp": {
            "type": "string",
            "format": "date-time",
            "description": "When it happened; the same each time it is delivered.",
        },
    }
    return {
        "BuildEvent": {
            "type": "object",
            "required": ["event", "projectId", "timestamp"],
            "properties": fields,
            "description": "One step of a build. Other fields of the platform's are not read.",
            "examples": [_EXAMPLE],
        }
    }


def _webhook() -> dict[str, Any]:
    body = {"schema": {"$ref": "#/components/schemas/BuildEvent"}, "example": _EXAMPLE}
    return {
        "operationId": "reportBuild",
        "tags": ["ingest"],
        "summary": "Streampixel's webhook: what became of a build",
        "description": "There when `streampixel_webhook_token_file` is set. The same event, project, upload "
        f"and time again is a duplicate. At most {MAX_BODY} bytes.",
        "security": [],
        "parameters": [
            {
                "name": "token",
                "in": "path",
                "required": True,
                "description": "One of the file's; the sender's only secret.",
                "schema": {"type": "string", "minLength": 16, "pattern": "^[A-Za-z0-9_-]+$"},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": {
                "description": "The event is on disk, now or since it was sent before.",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}
                },
            },
            **{str(status): refused(status, _OF_OTHERS) for status in STATUSES},
            "404": problem(404, "No token file is set."),
        },
    }
