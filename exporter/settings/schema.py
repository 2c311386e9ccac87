"""The JSON Schema of the settings in a TOML file, for editors."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from exporter.json_schema import document
from exporter.settings.model import Settings


class Untitled(GenerateJsonSchema):
    """Omits titles, which repeat the names, and defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


class _Toml(Untitled):
    """TOML has no null: a setting that is None by default is left out of a file."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def settings() -> dict[str, Any]:
    # Without rules about several settings: a variable or a flag may set the other settings.
    schema = Settings.model_json_schema(schema_generator=_Toml)
    return document(
        "Settings of session-end-exporter", schema | {"description": "See docs/settings.md."}
    )
