"""Write dashboards/*.json."""

from pathlib import Path

from dashboards.source.files import texts

FOLDER = Path(__file__).parents[1]

for name, text in texts().items():
    (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
