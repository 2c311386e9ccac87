"""The JSON Schema of the settings in a TOML file, for editors."""

from typing import Any

from pydantic.json_schema import JsonSchemaValue

from exporter.settings.model import Settings
from exporter.validation import Untitled, document


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
