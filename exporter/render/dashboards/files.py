"""The dashboards as files: JSON for Grafana, and the same in ConfigMaps for its sidecar."""

import json
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from exporter.render.dashboards import code, overview, own, slo
from exporter.render.pack import Pack
from exporter.render.rule import write

FOLDER: Final = "dashboards"
CONFIGMAPS: Final = "deploy/kubernetes/components/dashboards/configmaps.yaml"
SIDECAR: Final = {"grafana_dashboard": "1"}
"""The label that the sidecar of Grafana's Helm charts looks for unless it is told another."""
BOARDS: Final = (overview, code, slo, own)


def files(pack: Pack) -> dict[str, str]:
    """Texts by path; a file's name is its dashboard's uid."""
    boards = [one.dashboard(pack) for one in BOARDS]
    texts = {f"{FOLDER}/{board.uid}.json": _json(board) for board in boards}
    return {**texts, CONFIGMAPS: _configmaps(texts)}


def _json(board: Dashboard) -> str:
    """Whoever opens the file reads first not to edit it: the description comes before all else."""
    document = json.loads(json.dumps(board, cls=JSONEncoder))
    first = {key: document.pop(key) for key in ("description", "title", "uid")}
    return json.dumps({**first, **document}, indent=2, ensure_ascii=False) + "\n"


def _configmaps(texts: dict[str, str]) -> str:
    """One each: together they would be larger than what `kubectl apply` can note in an annotation."""
    return write(
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {
                        "name": name.partition("/")[2].removesuffix(".json"),
                        "labels": {**SIDECAR, "app.kubernetes.io/name": "session-end-exporter"},
                    },
                    "data": {name.partition("/")[2]: text},
                }
                for name, text in texts.items()
            ],
        }
    )
