"""The OpenAPI 3.1 description of both listeners, for /openapi.json and /docs.

FastAPI can't describe the operations: ingest is a plain ASGI app and the pages are Starlette routes.
The operations are in openapi.yaml; the schemas come from the models.
"""

import json
from importlib.resources import files
from string import Template
from typing import Any, Literal

import yaml
from pydantic.json_schema import models_json_schema

import exporter
from exporter.beacons.decode import MAX_EVENTS
from exporter.beacons.route import MAX_BODY as MAX_BEACON
from exporter.ops.models import MODELS
from exporter.settings import Settings
from exporter.streampixel.builds import MAX_BODY as MAX_BUILD
from exporter.taxonomy.model import Taxonomy
from exporter.validation import Untitled

Json = dict[str, Any]


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
