"""The dashboards as JSON files for Grafana."""

import json
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import code, overview, self_monitoring, slo

MODULES: Final = (overview, code, slo, self_monitoring)


def texts() -> dict[str, str]:
    """The text of each file by its name: the uid of the dashboard. The same source gives the same bytes."""
    built = [module.dashboard() for module in MODULES]
    return {f"{dashboard.uid}.json": _json(dashboard) for dashboard in built}


def _json(dashboard: Dashboard) -> str:
    """The description comes first: it says that the file is generated."""
    document = json.loads(json.dumps(dashboard, cls=JSONEncoder))
    first = {key: document.pop(key) for key in ("description", "title", "uid")}
    return json.dumps({**first, **document}, indent=2, ensure_ascii=False) + "\n"
