"""The OpenAPI 3.1 description of both listeners, for /openapi.json and /docs.

The operations are in openapi.yaml, because ingest is a plain ASGI app and the pages are Starlette routes,
which FastAPI does not describe. Schemas come from the models.
"""

from importlib.resources import files
from typing import Any, Final

import yaml
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

import exporter
from exporter import names
from exporter.beacons.decode import MAX_EVENTS
from exporter.beacons.route import MAX_BODY as MAX_BEACON
from exporter.errors import refusals
from exporter.ops.models import MODELS
from exporter.settings import Settings, base_url
from exporter.streampixel.webhook import MAX_BODY as MAX_BUILD
from exporter.taxonomy.model import Taxonomy

Json = dict[str, Any]

_BEACONS: Final = names.BEACONS_PATH + "{key}"
_BUILDS: Final = names.BUILDS_PATH + "{token}"
_EXCEPT: Final = {
    names.INGEST_PATH: {"origin_not_allowed", "unknown_key", "rate_limited"},
    _BEACONS: {"unauthorized", "host_not_allowed", "throttled"},
    _BUILDS: {
        "origin_not_allowed",
        "unknown_key",
        "host_not_allowed",
        "rate_limited",
        "too_many_events",
    },
}
"""Refusals of ingest that a path does not have, apart from `_ELSEWHERE`."""
_ELSEWHERE: Final = {"not_found", "method_not_allowed", "internal"}
_OPEN: Final = (names.HEALTHY_PATH, names.READY_PATH)
_GUARDED: Final = {
    401: "No valid token.",
    421: "No token file is set, and `allowed_hosts` lacks the Host.",
    429: "Too many wrong tokens from this address.",
}


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
    text = (files("exporter.ops") / "openapi.yaml").read_text(encoding="utf-8")
    document: Json = yaml.safe_load(text)
    document["info"]["version"] = exporter.__version__
    document["components"]["schemas"] = _schemas(settings, taxonomy)
    for path, item in document["paths"].items():
        (operation,) = item.values()
        listener = operation["tags"][0]
        url = base_url(
            getattr(settings, listener), getattr(settings, f"{listener}_tls_cert") is not None
        )
        item["servers"] = [{"url": url}]
        operation["security"] = _security(settings, path)
        operation["responses"] = operation["responses"] | _problems(path, listener)
    _limits(document["paths"], settings, taxonomy)
    return document


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


def _security(settings: Settings, path: str) -> list[Json]:
    if path == names.INGEST_PATH:
        return [{"token": []}] if settings.ingest_token_file else []
    if path in (*_EXCEPT, *_OPEN, names.COLLECTOR_PATH) or not settings.ops_token_file:
        return []
    return [{"token": []}, {"password": []}]


def _problems(path: str, listener: str) -> Json:
    """The refusals that `path` has, by status."""
    titles: dict[int, list[str]] = {}
    if listener == "ops" and path not in _OPEN:
        titles = {status: [title] for status, title in _GUARDED.items()}
    elif path in _EXCEPT:
        for kind in refusals():
            if kind.reason not in _EXCEPT[path] | _ELSEWHERE:
                titles.setdefault(kind.status, []).append(f"{kind.title} (`{kind.reason}`)")
    return {str(status): _problem(status, "; ".join(titles[status])) for status in sorted(titles)}


def _problem(status: int, description: str) -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    answer: Json = {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    return answer


def _limits(paths: Json, settings: Settings, taxonomy: Taxonomy) -> None:
    """Write the limits of this process into the operations."""
    send = paths[names.INGEST_PATH]["post"]
    for path, events, body in (
        (names.INGEST_PATH, settings.max_events, settings.max_body),
        (_BEACONS, MAX_EVENTS, MAX_BEACON),
        (_BUILDS, 1, MAX_BUILD),
    ):
        post = paths[path]["post"]
        limits = {"max_events": events, "max_body": body, "max_depth": settings.max_depth}
        post["description"] = post["description"].format_map(limits)
        for content in post["requestBody"]["content"].values():
            for schema in (content["schema"], *content["schema"].get("anyOf", ())):
                if schema.get("type") == "array":
                    schema["maxItems"] = events
    url = paths[names.INGEST_PATH]["servers"][0]["url"] + names.INGEST_PATH
    sample = send["x-codeSamples"][0]
    sample["source"] = sample["source"].replace("{url}", url)
    system = paths[names.CODES_PATH + "/{system}/{code}"]["get"]["parameters"][0]
    system["schema"]["enum"] = list(taxonomy.systems)
