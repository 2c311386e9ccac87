"""The shipped Alertmanager configuration, as amtool reads it."""

import re
import subprocess
from pathlib import Path

import yaml

from exporter.rule_files import alerts
from exporter.taxonomy.model import Owner
from tests.alertmanager.shipped import CONFIG, FOLDER, blocks_to_paste

TEAMS = {
    None: ("platform", "platform"),
    "nobody": ("platform", "platform"),
    "the_moon": ("platform", "platform"),
    "platform": ("platform", "platform"),
    "customer_network": ("platform", "customer-network"),
    "capacity": ("platform", "capacity"),
    "policy": ("platform", "policy"),
    "user": ("platform", "user"),
    "client": ("application", "client"),
    "application": ("application", "application"),
}
"""Who gets the pages and the tickets of an owner."""


def _amtool(*arguments: object) -> str:
    command = ["amtool", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _receiver(*labels: str) -> str:
    return _amtool("config", "routes", "test", f"--config.file={CONFIG}", *labels).strip()


def test_amtool_accepts_the_configuration_and_finds_its_templates() -> None:
    output = _amtool("check-config", CONFIG)
    assert "FAILED" not in output
    assert " - 1 templates\n" in output


def test_blocks_to_paste_are_accepted_in_a_receiver(tmp_path: Path) -> None:
    document = yaml.safe_load(CONFIG.read_text())
    document["receivers"][0] |= blocks_to_paste()
    document["templates"] = [f"{FOLDER}/templates/*"]
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump(document))
    _amtool("check-config", config)


def test_alert_goes_to_the_receiver_of_its_severity_and_owner() -> None:
    assert {*TEAMS} == {None, "the_moon", *Owner}
    for owner, teams in TEAMS.items():
        labels = [f"owner={owner}"] if owner else []
        for severity, team in zip(("page", "ticket"), teams, strict=True):
            receiver = _receiver(f"severity={severity}", "system=streampixel", *labels)
            assert receiver == f"{severity}-{team}", owner
    assert _receiver("severity=critical", "owner=capacity") == "ticket-platform"


def test_every_receiver_has_a_route() -> None:
    receivers = yaml.safe_load(CONFIG.read_text())["receivers"]
    pages, tickets = zip(*TEAMS.values(), strict=True)
    expected = {f"page-{team}" for team in pages} | {f"ticket-{team}" for team in tickets}
    assert sorted(receiver["name"] for receiver in receivers) == sorted(expected)


def test_alerts_and_signals_of_the_inhibitions_exist() -> None:
    rules = str(yaml.safe_load(CONFIG.read_text())["inhibit_rules"])
    names = set(re.findall(r"SessionEnd\w+", rules))
    signals = set("|".join(re.findall(r'signal=~?"([\w|]+)"', rules)).split("|"))
    assert names
    assert names <= {alert.name for alert in alerts()}
    assert signals <= {alert.signal for alert in alerts()}


def test_templates_of_the_receivers_are_defined_once() -> None:
    templates = "".join(path.read_text() for path in (FOLDER / "templates").glob("*.tmpl"))
    used = set(re.findall(r'template "(session_end[^"]*)"', templates + CONFIG.read_text()))
    assert sorted(re.findall(r'define "([^"]*)"', templates)) == sorted(used)
