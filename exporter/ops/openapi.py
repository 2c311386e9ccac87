"""The OpenAPI 3.1 description of both listeners, for /openapi.json and /docs.

FastAPI can't describe the operations: ingest is a plain ASGI app and the pages are Starlette routes.
The operations and the examples are in openapi.yaml. All models but `BuildEvent` only describe: ingest decodes
with msgspec. Tests compare the two.
"""

import json
from datetime import datetime
from importlib.resources import files
from string import Template
from typing import Annotated, Any, Literal

import yaml
from pydantic import AnyUrl, BaseModel, Field
from pydantic.json_schema import models_json_schema

import exporter
from exporter.beacons.decode import MAX_AGE, MAX_EVENTS
from exporter.beacons.decode import MAX_DURATION as MAX_BEACON_DURATION
from exporter.beacons.route import MAX_BODY as MAX_BEACON
from exporter.errors import REFUSED_REASONS, REJECTED_REASONS
from exporter.ingest.event import MAX_DURATION, MAX_LABELS, MAX_USER
from exporter.settings import Settings
from exporter.streampixel.builds import MAX_BODY as MAX_BUILD
from exporter.streampixel.builds import BuildEvent
from exporter.taxonomy.model import PHASES, Taxonomy
from exporter.validation import Untitled

Json = dict[str, Any]
Named = Annotated[str, Field(min_length=1, max_length=128)]
Label = Annotated[str, Field(max_length=128)]
Count = Annotated[int, Field(ge=0)]
Code = Annotated[
    str | int | None,
    Field(
        description="Any spelling of a code. Absent, null or empty is the system's normal end; a code "
        "that no taxonomy has is counted as `unknown`."
    ),
]
SessionId = Annotated[str | None, Field(description="For exemplars and logs; never a label.")]
User = Annotated[
    Annotated[str, Field(max_length=MAX_USER)] | None,
    Field(
        description="An opaque id of the user. For 15 minutes, later ends of the user with the same code are "
        "repeats, which alerts do not count. Never stored and never a label."
    ),
]
Final = Annotated[bool | None, Field(description="false: an interruption that recovered.")]


class Event(BaseModel):
    """One ended session. Null and "" count as absent, and so does `undefined` or the like as an id or user.

    Names of fields are matched without regard to case, spaces, `_` and `-`; a field given twice is an error.
    Unknown fields are ignored, and named in the answer.
    """

    system: str = Field(description="The name of a loaded taxonomy.")
    code: Code = None
    id: Annotated[str, Field(max_length=128)] | None = Field(
        None,
        description="At most 128 bytes of UTF-8; the key for exactly-once. Without it the key is system, "
        "session_id, code as written and occurred_at; without these a retry is counted again.",
    )
    session_id: SessionId = None
    occurred_at: datetime | None = Field(
        None,
        description="RFC 3339 with an offset; default now. Older than `max_event_age` counts as late, "
        "further in the future than `max_clock_skew` is rejected.",
    )
    duration_seconds: Annotated[float, Field(ge=0, le=MAX_DURATION)] | None = None
    phase: str | None = Field(
        None,
        description="Overrides the taxonomy's phase. Case, spaces, `_` and `-` do not matter.",
        json_schema_extra={"enum": [*PHASES, None]},
    )
    final: Final = True
    user: User = None
    labels: dict[str, Any] | None = Field(
        None,
        max_length=MAX_LABELS,
        description="Names match in any spelling; those that are not configured are ignored. Values have at "
        "most 128 bytes and no control or bidirectional characters; past `max_label_values` a new value is "
        "counted as `other`.",
    )


class CloudEvent(BaseModel):
    """CloudEvents 1.0, structured. Its data is the session end; its key is source and id."""

    specversion: Literal["1.0"]
    id: Named = Field(description="At most 128 bytes.")
    source: Annotated[str, Field(min_length=1)]
    type: Annotated[str, Field(min_length=1)]
    time: datetime | None = Field(None, description="Used when the event has no occurred_at.")
    data: Event


class Rejection(BaseModel):
    """One event that was not counted."""

    index: Count = Field(description="The event's place in the request, from 0.")
    reason: str = Field(json_schema_extra={"enum": list(REJECTED_REASONS)})
    message: str = Field(description="Names field and rule.")


class LateEvents(BaseModel):
    """Ends older than `max_event_age`: counted, but too old for alerts."""

    events: Annotated[int, Field(ge=1)]
    oldest: datetime


class Warnings(BaseModel):
    """What the sender probably did not intend; at most 10 codes and 10 fields."""

    unknown_codes: dict[str, Annotated[int, Field(ge=1)]] = Field(
        {}, description="Codes that no taxonomy has, with their numbers of events."
    )
    ignored_fields: dict[str, str | None] = Field(
        {}, description="Keys that are no field, each with the field that it probably means."
    )
    late: LateEvents = Field(None, description="Absent without late ends.")  # type: ignore[assignment]


class Accepted(BaseModel):
    """Sent after every accepted event is on disk."""

    accepted: Count = Field(description="Events on disk and counted by this request.")
    duplicates: Count = Field(description="Events that had been counted before.")
    rejected: list[Rejection]
    at_least_once: Count = Field(
        0, description="Events without a key, when there are any: a retry counts them again."
    )
    # Optional, but not null.
    warnings: Warnings = Field(None, description="Absent without warnings.")  # type: ignore[assignment]


class Problem(BaseModel):
    """RFC 9457. Nothing of the request was counted."""

    type: AnyUrl
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    reason: str = Field(json_schema_extra={"enum": list(REFUSED_REASONS)})
    rejected: list[Rejection] = Field([], description="With 422: the mistake in each event.")


class Beacon(BaseModel):
    """One ended session as a browser saw it. The key determines its system."""

    id: Named = Field(
        description="At most 128 bytes of UTF-8, the same each time the event is sent. Ids of different "
        "sites are independent."
    )
    code: Code = None
    reason: str | None = Field(
        None, description="The platform's words; used as the code when there is no code."
    )
    session_id: SessionId = None
    age_seconds: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="How long ago the session ended, by a monotonic clock; default 0. It replaces "
        "occurred_at, which a browser may not send. An end older than `max_event_age` counts as late. "
        f"A larger age than {MAX_AGE} counts as {MAX_AGE}.",
    )
    duration_seconds: float | None = Field(
        None, description=f"0 to {MAX_BEACON_DURATION}; any other duration is ignored."
    )
    final: Final = True
    user: User = None
    labels: dict[str, Label | float | bool | None] | None = Field(
        None, description="Names and values of the site's entry; any other value becomes `other`."
    )


class BeaconAnswer(BaseModel):
    """The events that a retry would not count either. The other events need no retry."""

    rejected: list[Rejection]


class UnknownCode(BaseModel):
    """A code that was sent and that no taxonomy has."""

    system: str
    code: Label = Field(description="As sent, cut at 128 characters.")
    count: Annotated[int, Field(ge=1)] = Field(description="Since the start.")
    first_seen: datetime
    last_seen: datetime


MODELS = (
    *(Event, CloudEvent, Accepted, Warnings, LateEvents, Rejection, Problem),
    *(Beacon, BeaconAnswer, BuildEvent, UnknownCode),
)


def document(settings: Settings, taxonomy: Taxonomy) -> Json:
    """The description, with the limits, systems, labels and addresses of this process."""
    text = (files("exporter.ops") / "openapi.yaml").read_text(encoding="utf-8")
    token: Json = {"token": []}
    security = {
        "ingest": [token] if settings.ingest_token_file else [],
        "ops": [token, {"password": []}] if settings.ops_token_file else [],
    }
    systems = list(taxonomy.systems)
    values = {
        "version": exporter.__version__,
        "ingest_url": settings.url("ingest"),
        "max_events": settings.max_events,
        "max_body": settings.max_body,
        "max_depth": settings.max_depth,
        "beacon_events": MAX_EVENTS,
        "beacon_body": MAX_BEACON,
        "build_body": MAX_BUILD,
        "systems": json.dumps(systems),
    }
    # Names without a value stay unchanged, such as $ref.
    document: Json = yaml.safe_load(Template(text).safe_substitute(values))
    for path, item in document["paths"].items():
        listener: Literal["ingest", "ops"] = "ingest" if path.startswith("/v1/") else "ops"
        item["servers"] = [{"url": settings.url(listener)}]
        operation = item.get("get") or item["post"]
        operation["tags"] = [listener]
        operation.setdefault("security", security[listener])
    _add_schemas(document["components"]["schemas"], systems, settings.labels)
    return document


def _add_schemas(schemas: Json, systems: list[str], labels: tuple[str, ...]) -> None:
    _, definitions = models_json_schema(
        [(model, "validation") for model in MODELS],
        ref_template="#/components/schemas/{model}",
        schema_generator=Untitled,
    )
    for name in (model.__name__ for model in MODELS):
        schemas[name] = definitions["$defs"][name] | schemas.pop(name, {})
    for name in ("Event", "UnknownCode"):
        schemas[name]["properties"]["system"]["enum"] = systems
    label = {"type": ["string", "null"], "maxLength": 128}
    schemas["Event"]["properties"]["labels"]["properties"] = dict.fromkeys(labels, label)
