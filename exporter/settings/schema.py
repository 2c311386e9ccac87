"""Writes the JSON Schema of a settings file, for editors: `python -m exporter.settings.schema`.

Rules about several settings are missing: a variable or a flag may set the other settings.
"""

import json
from pathlib import Path
from typing import Any, Final

from exporter.settings.model import Settings

FILE: Final = Path(__file__).parents[1] / "schemas/settings.schema.json"


def text() -> str:
    """The content of the file: the same model gives the same bytes."""
    schema = Settings.model_json_schema()
    schema["properties"] = {
        name: _property(**value) for name, value in schema["properties"].items()
    }
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "DO NOT EDIT: `make schemas` writes this file.",
        **schema,
        "description": "See docs/settings.md.",
        "title": "Settings of session-end-exporter",
    }
    return json.dumps(document, indent=2) + "\n"


def _property(title: str, **schema: Any) -> dict[str, Any]:
    """TOML has no null: a setting that is None by default is left out of a file."""
    if schema["default"] is None:
        del schema["default"]
        value, _null = schema.pop("anyOf")
        schema |= value
    return dict(sorted(schema.items()))


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
