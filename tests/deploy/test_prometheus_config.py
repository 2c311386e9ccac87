"""The Prometheus configurations: deploy/prometheus, which other tests load, and two copies for compose with
other addresses."""

from pathlib import Path
from typing import Any

import yaml

from exporter.settings import Settings
from tests.e2e.exporter_process import ROOT

SHIPPED = ROOT / "deploy/prometheus/prometheus.yml"
COMPOSE = [ROOT / "deploy/compose" / name for name in ("prometheus.yml", "prometheus.replicas.yml")]


def read(path: Path) -> tuple[Any, list[str], list[str]]:
    """The configuration without addresses, the exporters and the Alertmanagers."""
    config = yaml.safe_load(path.read_text())
    # Compose mounts the rules beside the configuration.
    folder = "../../" if path == SHIPPED else ""
    assert config.pop("rule_files") == [f"{folder}rules/*.yml"]
    (scrape,) = config["scrape_configs"]
    (alertmanager,) = config["alerting"]["alertmanagers"]
    (exporters,), (receivers,) = (part.pop("static_configs") for part in (scrape, alertmanager))
    return config, exporters["targets"], receivers["targets"]


def test_configuration_scrapes_the_ops_listener_under_the_job_of_the_alerts() -> None:
    config, exporters, _ = read(SHIPPED)
    (scrape,) = config["scrape_configs"]
    assert scrape["job_name"] == "session-end-exporter"
    assert exporters == [Settings.model_fields["ops"].default]


def test_compose_configurations_differ_only_in_addresses() -> None:
    shipped, _, _ = read(SHIPPED)
    for path, exporters in zip(
        COMPOSE, (["exporter"], ["exporter", "exporter-2", "exporter-3"]), strict=True
    ):
        assert read(path) == (
            *(shipped, [f"{name}:10401" for name in exporters], ["alertmanager:9093"]),
        )


def test_evaluation_interval_is_that_of_the_rules_that_page() -> None:
    rules = yaml.safe_load((ROOT / "rules" / "session-ends.yml").read_text())
    (windows,) = (group for group in rules["groups"] if group["name"] == "session-ends-windows")
    assert read(SHIPPED)[0]["global"]["evaluation_interval"] == windows["interval"]
