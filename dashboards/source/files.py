"""The dashboards as JSON files for Grafana."""

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.source import code, overview, self_monitoring, slo


def texts() -> dict[str, str]:
    """The text of each file by its name: the uid of the dashboard. The same source gives the same bytes."""
    files = {}
    for module in (overview, code, slo, self_monitoring):
        document = json.loads(json.dumps(module.dashboard(), cls=JSONEncoder))
        # The description comes first: it says that the file is generated.
        first = {key: document.pop(key) for key in ("description", "title", "uid")}
        text = json.dumps({**first, **document}, indent=2, ensure_ascii=False)
        files[f"{first['uid']}.json"] = text + "\n"
    return files
