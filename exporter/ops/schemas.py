"""JSON Schemas of what goes over the wire: the contract's event, and the answers."""

from typing import Any

from exporter.errors import REFUSED_REASONS, REJECTED_REASONS
from exporter.ingest.event import MAX_DURATION
from exporter.settings import Settings
from exporter.taxonomy.model import PHASES, Taxonomy

Schema = dict[str, Any]

EXAMPLE: Schema = {
    "id": "7f1c2f0a",
    "system": "streampixel",
    "code": 4001,
    "session_id": "s-91",
    "occurred_at": "2026-11-20T19:00:00Z",
    "duration_seconds": 12.5,
    "phase": "connect",
    "final": True,
    "labels": {"region": "eu-west"},
}
CLOUDEVENT_EXAMPLE: Schema = {
    "specversion": "1.0",
    "id": "7f1c2f0a",
    "source": "/signalling/eu-west",
    "type": "session.ended",
    "data": {key: EXAMPLE[key] for key in ("system", "code", "session_id")},
}


def schemas(settings: Settings, taxonomy: Taxonomy) -> dict[str, Schema]:
    """By name, as `components.schemas` of OpenAPI 3.1; limits and systems are those in force."""
    return {
        "Event": _event(settings, taxonomy),
        "CloudEvent": _cloudevent(),
        "Accepted": _accepted(),
        "Rejection": _rejection(),
        "Problem": _problem(),
        "UnknownCode": _unknown_code(taxonomy),
    }


def _event(settings: Settings, taxonomy: Taxonomy) -> Schema:
    fields: dict[str, Schema] = {
        "system": {
            "type": "string",
            "enum": list(taxonomy.systems),
            "description": "A loaded taxonomy.",
        },
        "code": {
            "type": ["string", "integer", "null"],
            "description": "Any spelling of a code. Absent, null or empty is the system's normal end; "
            "one that no taxonomy has is counted as `unknown`.",
        },
        "id": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": 128,
            "description": "1 to 128 bytes of UTF-8: the key for exactly-once. Without it the key is "
            "system, session_id, code as written and occurred_at; without these a retry is counted again.",
        },
        "session_id": {
            "type": ["string", "null"],
            "description": "For exemplars and logs; never a label.",
        },
        "occurred_at": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "RFC 3339 with an offset; default now. Older than "
            f"{settings.max_event_age:g} s counts as late, more than {settings.max_clock_skew:g} s "
            "in the future is rejected.",
        },
        "duration_seconds": {
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": MAX_DURATION,
            "description": "At most a year.",
        },
        "phase": {
            "type": ["string", "null"],
            "enum": [*PHASES, None],
            "description": "Overrides the taxonomy's phase.",
        },
        "final": {
            "type": ["boolean", "null"],
            "default": True,
            "description": "false: an interruption that recovered.",
        },
        "labels": {
            "type": ["object", "null"],
            "properties": {
                name: {
                    "type": ["string", "null"],
                    "maxLength": 128,
                    "description": "At most 128 bytes of UTF-8; no control or bidirectional characters.",
                }
                for name in settings.labels
            },
            "description": "Names that are not configured are ignored. Past "
            f"{settings.max_label_values} values of a name, further ones become `other`.",
        },
    }
    return {
        "type": "object",
        "required": ["system"],
        "properties": fields,
        "description": "One ended session. Unknown fields are ignored; a key given twice is an error.",
        "examples": [EXAMPLE],
    }


def _cloudevent() -> Schema:
    text = {"type": "string", "minLength": 1}
    event = {"$ref": "#/components/schemas/Event"}
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"type": "string", "const": "1.0"},
            "id": {
                **text,
                "maxLength": 128,
                "description": "With source, the key; at most 128 bytes.",
            },
            "source": text,
            "type": text,
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "Stands in for the event's occurred_at.",
            },
            "data": event,
            "data_base64": {
                "type": "string",
                "contentEncoding": "base64",
                "contentMediaType": "application/json",
                "description": "An Event in base64, instead of data.",
            },
        },
        "anyOf": [{"required": ["data"]}, {"required": ["data_base64"]}],
        "description": "CloudEvents 1.0, structured; the session end is its data.",
        "examples": [CLOUDEVENT_EXAMPLE],
    }


def _accepted() -> Schema:
    number = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "required": ["accepted", "duplicates", "rejected"],
        "properties": {
            "accepted": {**number, "description": "Events on disk and counted by this request."},
            "duplicates": {**number, "description": "Events that had been counted before."},
            "rejected": {"type": "array", "items": {"$ref": "#/components/schemas/Rejection"}},
            "at_least_once": {
                **number,
                "description": "Events without a key, when there are any: a retry counts them again.",
            },
        },
        "description": "Sent after every accepted event is on disk.",
        "examples": [{"accepted": 2, "duplicates": 1, "rejected": []}],
    }


def _rejection() -> Schema:
    return {
        "type": "object",
        "required": ["index", "reason", "message"],
        "properties": {
            "index": {
                "type": "integer",
                "minimum": 0,
                "description": "The event's place in the request, from 0.",
            },
            "reason": {"type": "string", "enum": list(REJECTED_REASONS)},
            "message": {"type": "string", "description": "Names field and rule."},
        },
        "description": "One event that was not counted.",
    }


def _problem() -> Schema:
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "reason"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "reason": {"type": "string", "enum": list(REFUSED_REASONS)},
            "rejected": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Rejection"},
                "description": "With 422: what was wrong with each event.",
            },
        },
        "description": "RFC 9457. Nothing of the request was counted.",
    }


def _unknown_code(taxonomy: Taxonomy) -> Schema:
    moment = {"type": "string", "format": "date-time"}
    fields: dict[str, Schema] = {
        "system": {"type": "string", "enum": list(taxonomy.systems)},
        "code": {"type": "string", "maxLength": 128, "description": "As sent, cut at 128."},
        "count": {"type": "integer", "minimum": 1, "description": "Since the start."},
        "first_seen": moment,
        "last_seen": moment,
    }
    return {
        "type": "object",
        "required": list(fields),
        "properties": fields,
        "description": "A code that events came with and no taxonomy has.",
    }
