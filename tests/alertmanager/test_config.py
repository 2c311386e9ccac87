"""What amtool makes of the shipped configuration: nothing here starts an Alertmanager."""

import re
import subprocess

import pytest
import yaml

from exporter.rule_files import alerts
from exporter.taxonomy.model import Owner
from tests.alertmanager import shipped

ROUTES = {
    ("page", None): "page-platform",
    ("page", "customer_network"): "page-platform",
    ("page", "client"): "page-application",
    ("page", "platform"): "page-platform",
    ("page", "capacity"): "page-platform",
    ("page", "application"): "page-application",
    ("page", "policy"): "page-platform",
    ("page", "user"): "page-platform",
    ("page", "nobody"): "page-platform",
    ("ticket", None): "ticket-platform",
    ("ticket", "customer_network"): "ticket-customer-network",
    ("ticket", "client"): "ticket-client",
    ("ticket", "platform"): "ticket-platform",
    ("ticket", "capacity"): "ticket-capacity",
    ("ticket", "application"): "ticket-application",
    ("ticket", "policy"): "ticket-policy",
    ("ticket", "user"): "ticket-user",
    ("ticket", "nobody"): "ticket-platform",
}


def _amtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["amtool", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _routed(config, *labels):
    return _amtool("config", "routes", "test", f"--config.file={config}", *labels).stdout.split()


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return shipped.write(tmp_path_factory.mktemp("alertmanager"), quick=False)


def test_amtool_accepts_the_configuration_and_finds_its_templates(config):
    checked = _amtool("check-config", config)
    assert checked.returncode == 0, checked.stderr
    assert "FAILED" not in checked.stdout
    assert " - 1 templates\n" in checked.stdout


def test_the_blocks_to_paste_are_accepted_in_a_receiver(config, tmp_path):
    text = config.read_text()
    document = yaml.safe_load(text)
    document["receivers"][0] |= shipped.pasted()
    pasted = tmp_path / "alertmanager.yml"
    pasted.write_text(yaml.safe_dump(document | {"templates": [f"{config.parent}/templates/*"]}))
    checked = _amtool("check-config", pasted)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("severity", "owner"), ROUTES)
def test_an_alert_goes_to_the_receiver_of_its_severity_and_owner(config, severity, owner):
    labels = [f"severity={severity}", *([f"owner={owner}"] if owner else [])]
    assert _routed(config, *labels, "system=streampixel") == [ROUTES[severity, owner]]


def test_every_owner_has_its_case_above():
    assert {owner for _, owner in ROUTES} == {None, *Owner}


def test_unknown_severity_or_owner_goes_to_the_platform_team(config):
    assert _routed(config, "severity=critical", "owner=capacity") == ["ticket-platform"]
    assert _routed(config, "severity=page", "owner=the_moon") == ["page-platform"]


def test_every_receiver_has_a_route(config):
    names = [one["name"] for one in yaml.safe_load(config.read_text())["receivers"]]
    assert sorted(names) == sorted(set(ROUTES.values()))


def test_alerts_and_signals_that_the_inhibitions_name_exist(config):
    rules = str(yaml.safe_load(config.read_text())["inhibit_rules"])
    named = set(re.findall(r"SessionEnd\w+", rules))
    signals = {
        word for found in re.findall(r'signal=~?"([\w|]+)"', rules) for word in found.split("|")
    }
    assert named
    assert named <= {alert.name for alert in alerts()}
    assert signals
    assert signals <= {alert.signal for alert in alerts()}


def test_every_template_that_a_receiver_uses_is_defined():
    files = shipped.files()
    used = set(re.findall(r'template "(session_end[^"]*)"', "".join(files.values())))
    defined = re.findall(r'define "([^"]*)"', "".join(files.values()))
    assert used == set(defined)
    assert len(defined) == len(set(defined))
