"""Our reading of the rendered Alertmanager configuration against amtool's."""

import subprocess
from pathlib import Path

import pytest

from exporter.backtest.routing import Routing, labels_of
from exporter.render.catalog import Signal, Subject
from exporter.taxonomy.model import Code, System
from tests.alertmanager import shipped

ROUTING = Routing(shipped.pack())
OURS = {
    (one.severity, labels_of(one).get("owner")): one
    for one in shipped.pack().subjects
    if one.system is not None
}


@pytest.mark.parametrize("subject", OURS.values(), ids=lambda one: one.alert)
def test_an_alert_goes_to_the_receiver_that_amtool_names(tmp_path: Path, subject: Subject) -> None:
    config = shipped.write(tmp_path, quick=False)
    labels = labels_of(subject)
    done = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={config}"]
        + [f"{name}={value}" for name, value in labels.items()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ROUTING.route(labels).receiver == done.stdout.strip()


def test_pages_and_tickets_wait_as_long_as_the_configuration_says() -> None:
    page = ROUTING.route({"severity": "page", "owner": "application"})
    assert (page.wait, page.interval, page.repeat) == (40, 600, 4 * 3600)
    assert page.group({"system": "mine", "code": "1"}) == ("page-application", "mine")
    ticket = ROUTING.route({"severity": "ticket"})
    assert (ticket.wait, ticket.interval, ticket.repeat) == (300, 3600, 3 * 86400)


def test_a_spike_silences_the_tickets_of_its_code_and_no_others() -> None:
    system = next(iter(shipped.pack().taxonomy.systems.values()))
    first, second = system.codes[1:3]

    def labels(signal: Signal, code: Code, of: System = system) -> dict[str, str]:
        return dict(labels_of(Subject("A", signal, "page", of, code)))

    spike = labels(Signal.SPIKE, first)
    assert ROUTING.inhibits(spike, labels(Signal.ELEVATED, first))
    assert ROUTING.inhibits(spike, labels(Signal.NEW, first))
    assert not ROUTING.inhibits(spike, labels(Signal.ELEVATED, second))
    assert not ROUTING.inhibits(spike, spike)
    assert not ROUTING.inhibits(labels(Signal.NEW, first), spike)
