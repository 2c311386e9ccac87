"""The shipped Alertmanager configuration, as amtool reads it."""

import re
from pathlib import Path

import pytest
import yaml

from exporter.rule_files import alerts
from tests.alertmanager.shipped import CONFIG, FOLDER, RECEIVERS, shipped_receivers
from tests.programs import output


def _receivers(*labels: str, config: Path = CONFIG) -> str:
    return output("amtool", "config", "routes", "test", f"--config.file={config}", *labels).strip()


@pytest.mark.parametrize("path", [CONFIG, RECEIVERS], ids=lambda path: path.name)
def test_amtool_accepts_the_configuration_and_finds_its_templates(path: Path) -> None:
    printed = output("amtool", "check-config", path)
    assert "FAILED" not in printed
    assert " - 1 templates\n" in printed


@pytest.mark.parametrize("name", [name for name in shipped_receivers() if name != "teams"])
def test_shipped_receiver_is_accepted_for_pages_and_tickets(name: str, tmp_path: Path) -> None:
    document = yaml.safe_load(CONFIG.read_text())
    for receiver in document["receivers"][:2]:
        receiver.update(shipped_receivers()[name])
    document["templates"] = [f"{FOLDER}/templates/*"]
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump(document))
    output("amtool", "check-config", config)


def test_alert_goes_to_the_receiver_of_its_severity_with_any_owner() -> None:
    for severity in ("page", "ticket"):
        for owner in ("platform", "client", "capacity"):
            assert _receivers(f"severity={severity}", f"owner={owner}") == severity
    assert _receivers("severity=critical") == "ticket"
    assert _receivers("severity=none", "alertname=SessionEndWatchdog") == "watchdog"


def test_team_gets_its_pages_in_addition_with_the_commented_routes(tmp_path: Path) -> None:
    """Fails without `continue` in the routes: an incident is then split into two notifications."""
    config = tmp_path / "alertmanager.yml"
    text = re.sub(r"(?m)^      # (?=routes:|  - )", "      ", CONFIG.read_text())
    config.write_text(f"{text}  - name: page-application\n")
    assert _receivers("severity=page", "owner=client", config=config) == "page-application,page"
    assert _receivers("severity=page", "owner=capacity", config=config) == "page"


def test_tickets_wait_for_office_hours_and_pages_do_not() -> None:
    document = yaml.safe_load(CONFIG.read_text())
    active = {
        route["receiver"]: route.get("active_time_intervals")
        for route in document["route"]["routes"]
    }
    assert active == {"watchdog": None, "page": None, "ticket": ["office-hours"]}


def test_alerts_and_signals_of_the_inhibitions_exist() -> None:
    rules = str(yaml.safe_load(CONFIG.read_text())["inhibit_rules"])
    names = set(re.findall(r"SessionEnd\w+", rules))
    signals = set("|".join(re.findall(r'signal=~?"([\w|]+)"', rules)).split("|"))
    assert names
    assert names <= {alert.name for alert in alerts()}
    assert signals <= {alert.signal for alert in alerts()}
