"""JSON Schemas (draft 2020-12) for editors, made from the models that read the files.

`make schemas` writes them into exporter/schemas, and `session-end-exporter export schemas` copies them. Rules
that compare values, or need the settings or another file, are missing: `check` reports them.
"""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaValue

from exporter.beacons import sites
from exporter.settings import Settings
from exporter.taxonomy.file import OVERLAY, SYSTEM
from exporter.validation import Untitled

FOLDER: Final = Path(__file__).parents[1] / "exporter" / "schemas"


class _Toml(Untitled):
    """TOML has no null: a setting that is None by default is left out of a file."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def texts() -> dict[str, str]:
    """The text of each file by its name: the same models give the same bytes."""
    overlay = OVERLAY.json_schema(schema_generator=Untitled)
    overlay["properties"]["codes"]["items"]["required"] = ["code"]
    settings = TypeAdapter(Settings).json_schema(schema_generator=_Toml)
    schemas = {
        "system": ("A system", SYSTEM.json_schema(schema_generator=Untitled)),
        "overlay": ("Changes of a system", overlay),
        "sites": ("Sites", sites.FILE.json_schema(schema_generator=Untitled)),
        "settings": (
            "Settings of session-end-exporter",
            settings | {"description": "See docs/settings.md."},
        ),
    }
    return {
        f"{name}.schema.json": json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$comment": "DO NOT EDIT: `make schemas` writes this file.",
                **schema,
                "title": title,
            },
            indent=2,
        )
        + "\n"
        for name, (title, schema) in schemas.items()
    }


if __name__ == "__main__":
    for _name, _text in texts().items():
        FOLDER.joinpath(_name).write_text(_text, encoding="utf-8")
