"""The JSON Schema of the settings in a TOML file, for editors. Run as a program, writes its file.

Rules about several settings are missing: a variable or a flag may set the other settings.
"""

import json
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from exporter.settings.model import Settings

FILE: Final = Path(__file__).parents[1] / "schemas/settings.schema.json"


class _Toml(GenerateJsonSchema):
    """TOML has no null: a setting that is None by default is left out of a file."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def text() -> str:
    """The schema: the same settings give the same bytes."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "DO NOT EDIT: `make schemas` writes this file.",
        **Settings.model_json_schema(schema_generator=_Toml),
        "description": "See docs/settings.md.",
        "title": "Settings of session-end-exporter",
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
