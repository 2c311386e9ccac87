"""Write dashboards/*.json: the same source gives the same bytes."""

import json
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import code, overview, self_monitoring, slo

FOLDER: Final = Path(__file__).parents[1]
LATER: Final = {"allowCustomValue", "legend", "percentChangeColorMode", "placement"}
"""Keys that the SDK adds and that Grafana 10.4 does not know."""


def texts() -> dict[str, str]:
    """The text of each file by its name: the uid of the dashboard. The SDK adds Grafana's default values."""
    register_default_plugins()
    files = {}
    for module in (overview, code, slo, self_monitoring):
        source = module.dashboard()
        built = json.loads(json.dumps(Dashboard.from_json(source), cls=JSONEncoder))
        document = _without_later(built, source)
        # The SDK drops the keys of Grafana's Prometheus data source from annotations.
        annotations = zip(
            document["annotations"]["list"], source["annotations"]["list"], strict=True
        )
        for annotation, own in annotations:
            annotation.update(own)
        # The description comes first: it says that the file is generated.
        first = {key: document.pop(key) for key in ("description", "title", "uid")}
        imports = {key: source[key] for key in ("__inputs", "__requires")}
        text = json.dumps({**first, **imports, **document}, indent=2, ensure_ascii=False)
        files[f"{first['uid']}.json"] = text + "\n"
    return files


def _without_later(built: Any, source: Any) -> Any:
    if isinstance(built, list):
        return [_without_later(*pair) for pair in zip(built, source, strict=True)]
    if not isinstance(built, dict):
        return built
    return {
        key: _without_later(value, source[key]) if key in source else value
        for key, value in built.items()
        if key in source or key not in LATER
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
