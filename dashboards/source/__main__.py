"""Write dashboards/*.json: the same source gives the same bytes."""

import json
import re
from pathlib import Path
from typing import Final

from dashboards.source import code, overview, self_monitoring, slo

FOLDER: Final = Path(__file__).parents[1]
DASHBOARDS: Final = (overview.DASHBOARD, code.DASHBOARD, slo.DASHBOARD, self_monitoring.DASHBOARD)
_LINE: Final = 100
_INNERMOST: Final = re.compile(r"([\[{])\n *([^\[\]{}]*)\n *([\]}])")
"""A list or an object without others in it. Strings contain no line feeds."""


def texts() -> dict[str, str]:
    """The text of each file by its name: the uid of the dashboard."""
    files = {}
    for dashboard in DASHBOARDS:
        text = json.dumps(dashboard, indent=2, ensure_ascii=False)
        files[f"{dashboard['uid']}.json"] = _INNERMOST.sub(_on_one_line, text) + "\n"
    return files


def _on_one_line(found: re.Match[str]) -> str:
    start, content, end = found.groups()
    line = start + re.sub(r"\n *", " ", content) + end
    return line if len(line) <= _LINE else found[0]


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
