"""Write dashboards/*.json: the same source gives the same bytes."""

import json
import re
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import code, overview, self_monitoring, slo

FOLDER: Final = Path(__file__).parents[1]
TOO_NEW: Final = {"allowCustomValue", "legend", "percentChangeColorMode", "placement"}
"""Keys that the SDK adds and Grafana 10.4 does not know."""
_LINE: Final = 100
_INNERMOST: Final = re.compile(r"([\[{])\n *([^\[\]{}]*)\n *([\]}])")
"""A list or an object without others in it. Strings contain no line feeds."""


def texts() -> dict[str, str]:
    """The text of each file by its name: the uid of the dashboard."""
    register_default_plugins()
    files = {}
    for module in (overview, code, slo, self_monitoring):
        source = module.dashboard()
        loaded = json.loads(json.dumps(Dashboard.from_json(source), cls=JSONEncoder))
        text = json.dumps(_with_defaults(source, loaded), indent=2, ensure_ascii=False)
        files[f"{source['uid']}.json"] = _INNERMOST.sub(_on_one_line, text) + "\n"
    return files


def _on_one_line(found: re.Match[str]) -> str:
    start, content, end = found.groups()
    line = start + re.sub(r"\n *", " ", content) + end
    return line if len(line) <= _LINE else found[0]


def _with_defaults(source: Any, loaded: Any) -> Any:
    """The source with Grafana's default values. It keeps the keys of data sources, which the SDK drops."""
    if isinstance(loaded, list):
        return [_with_defaults(*pair) for pair in zip(source, loaded, strict=True)]
    if not isinstance(loaded, dict):
        return source
    given = {key: value for key, value in source.items() if value is not None}
    own = {key: _with_defaults(value, loaded.get(key)) for key, value in given.items()}
    return own | {key: loaded[key] for key in loaded if key not in TOO_NEW | own.keys()}


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
