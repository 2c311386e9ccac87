"""Write exporter/schemas/*.json."""

from pathlib import Path

from exporter.schemas import texts

for _name, _text in texts().items():
    Path(__file__).with_name(_name).write_text(_text, encoding="utf-8")
