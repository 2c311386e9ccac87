"""The same groups as a PrometheusRule, for the Prometheus operator."""

from collections.abc import Iterable
from typing import Any, Final

from exporter.render.rule import RuleFile, write

PATH: Final = "deploy/kubernetes/components/rules/prometheusrule.yaml"


def document(files: Iterable[RuleFile]) -> dict[str, Any]:
    """The custom resource; the operator wants label values and durations as strings, as they are."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "session-end-exporter",
            "labels": {"app.kubernetes.io/name": "session-end-exporter"},
        },
        "spec": {"groups": [group.document() for file in files for group in file.groups]},
    }


def text(files: Iterable[RuleFile]) -> str:
    return write(document(files))
