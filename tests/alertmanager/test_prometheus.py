"""deploy/prometheus/prometheus.yml, which is written by hand."""

import subprocess

import pytest
import yaml

from exporter.settings import Settings
from tests.alertmanager import shipped

CONFIG = shipped.ROOT / "deploy/prometheus/prometheus.yml"


@pytest.fixture
def config():
    return yaml.safe_load(CONFIG.read_text())


def test_promtool_accepts_it_with_every_rule_file():
    checked = subprocess.run(
        ["promtool", "check", "config", CONFIG],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    rules = list((shipped.ROOT / "rules").glob("*.yml"))
    assert rules
    assert f"SUCCESS: {len(rules)} rule files found" in checked.stdout


def test_it_scrapes_the_default_ops_listener_under_the_job_that_the_alerts_look_for(config):
    (scrape,) = config["scrape_configs"]
    assert scrape["job_name"] == "session-end-exporter"
    ops = Settings.model_fields["ops"].default
    assert scrape["static_configs"] == [{"targets": [ops]}]


def test_it_evaluates_as_often_as_the_rules_that_page(config):
    rules = yaml.safe_load((shipped.ROOT / "rules" / "session-ends.yml").read_text())
    (windows,) = (one for one in rules["groups"] if one["name"] == "session-ends-windows")
    assert config["global"]["evaluation_interval"] == windows["interval"]
