"""The OpenAPI 3.1 description of both listeners, for /openapi.json and /docs.

FastAPI can't describe the operations: ingest is a plain ASGI app and the pages are Starlette routes.
They are in openapi.yaml; the schemas come from the models.
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
_OF_BEACONS: Final = {"origin_not_allowed", "unknown_key", "rate_limited"}
_IMPOSSIBLE: Final = {
    names.INGEST_PATH: _OF_BEACONS,
    _BEACONS: {"unauthorized", "host_not_allowed", "throttled"},
    _BUILDS: _OF_BEACONS | {"host_not_allowed", "too_many_events"},
}
"""The refusals that a path of ingest never answers."""
_ELSEWHERE: Final = {"not_found", "method_not_allowed", "internal"}
"""Refusals that are not answers to a correct request of any operation."""
_OPEN: Final = (names.HEALTHY_PATH, names.READY_PATH)
_GUARDED: Final = {
    401: ["No valid token."],
    421: ["No token file is set, and `allowed_hosts` lacks the Host."],
    429: ["Too many wrong tokens from this address."],
}


class _Schemas(GenerateJsonSchema):
    """Omits titles, which repeat the names, and defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> Json:
        described = super().default_schema(schema)
        if described.get("default", True) is None:
            del described["default"]
        return described


def document(settings: Settings, taxonomy: Taxonomy) -> Json:
    """The description, with the limits, systems, labels and addresses of this process."""
    text = (files("exporter.ops") / "openapi.yaml").read_text(encoding="utf-8")
    document: Json = yaml.safe_load(text)
    document["info"]["version"] = exporter.__version__
    _add_schemas(document["components"]["schemas"], settings, taxonomy)
    for path, item in document["paths"].items():
        (operation,) = item.values()
        listener = operation["tags"][0]
        tls = getattr(settings, f"{listener}_tls_cert") is not None
        item["servers"] = [{"url": base_url(getattr(settings, listener), tls)}]
        operation["security"] = _security(settings, path)
        operation["responses"] |= _problems(path, listener)
    _add_limits(document["paths"], settings, taxonomy)
    return document


def _add_schemas(schemas: Json, settings: Settings, taxonomy: Taxonomy) -> None:
    _, definitions = models_json_schema(
        [(model, "validation") for model in MODELS],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    for model in MODELS:
        name = model.__name__
        schemas[name] = definitions["$defs"][name] | schemas.pop(name, {})
    for name in ("Event", "UnknownCode"):
        schemas[name]["properties"]["system"]["enum"] = list(taxonomy.systems)
    label = {"type": ["string", "null"], "maxLength": 128}
    schemas["Event"]["properties"]["labels"]["properties"] = dict.fromkeys(settings.labels, label)


def _security(settings: Settings, path: str) -> list[Json]:
    if path == names.INGEST_PATH:
        return [{"token": []}] if settings.ingest_token_file else []
    if path in (*_IMPOSSIBLE, *_OPEN, names.COLLECTOR_PATH) or not settings.ops_token_file:
        return []
    return [{"token": []}, {"password": []}]


def _problems(path: str, listener: str) -> Json:
    """The refusals of an operation, by status."""
    titles: dict[int, list[str]] = {}
    if listener == "ops" and path not in _OPEN:
        titles = _GUARDED
    elif path in _IMPOSSIBLE:
        for refusal in refusals():
            if refusal.reason not in _IMPOSSIBLE[path] | _ELSEWHERE:
                titles.setdefault(refusal.status, []).append(
                    f"{refusal.title} (`{refusal.reason}`)"
                )
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


def _add_limits(paths: Json, settings: Settings, taxonomy: Taxonomy) -> None:
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
    ingest = paths[names.INGEST_PATH]
    sample = ingest["post"]["x-codeSamples"][0]
    url = ingest["servers"][0]["url"] + names.INGEST_PATH
    sample["source"] = sample["source"].replace("{url}", url)
    system = paths[names.CODES_PATH + "/{system}/{code}"]["get"]["parameters"][0]
    system["schema"]["enum"] = list(taxonomy.systems)
