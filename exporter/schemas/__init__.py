"""JSON Schemas for editors, which `make schemas` writes and `session-end-exporter export schemas` copies."""

import json

from exporter.beacons import sites
from exporter.settings.schema import settings
from exporter.taxonomy.file import overlay_schema, system_schema


def texts() -> dict[str, str]:
    """The text of each file by its name: the same models give the same bytes."""
    schemas = {
        "system": system_schema(),
        "overlay": overlay_schema(),
        "sites": sites.schema(),
        "settings": settings(),
    }
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schemas.items()
    }
