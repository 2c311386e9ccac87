"""docs/scale.md, replicas over one ledger: its table comes of its formula, its commands run."""

import re
from math import ceil

from exporter import names
from exporter.ledger.address import replicas
from exporter.settings import Settings
from tests.deploy.test_compose_replicas import EXPORTERS, NODES, REPLICATED
from tests.deploy.test_docs import DOCS, TEXTS, blocks, section, tables
from tests.deploy.test_install import Machine, machine
from tests.root import owned

TEXT = section(TEXTS["scale"], "Replicas over one ledger")
SHARE = 0.5
"""Of a core that is used: the rest is for what comes at once."""

__all__ = ["machine"]


def significant(value: float) -> str:
    """Two digits at least, and none that a whole number does not have."""
    return (
        f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"
    )


def test_sizes_follow_from_the_costs() -> None:
    _, _, costs, _, sizes = tables(TEXT)
    memory, network, _, exporter, engine = ([float(one) for one in row[1:]] for row in costs)
    assert int(SHARE * 1e6) == int(re.findall(r"÷ ([\d,]+)", TEXT)[0].replace(",", ""))
    assert "190 bytes × 1.5" in TEXT
    assert {row[0] for row in sizes} >= {"1,000", "1,000,000"}
    for row in sizes:
        rate = int(row[0].replace(",", ""))
        assert row[1:] == [
            *(
                f"{significant(rate * seconds * memory[0] * 1.5 / 1e9)} GB"
                for seconds in (Settings().dedup_window_age, 3600)
            ),
            ", ".join(str(max(3, ceil(rate * one / 1e6 / SHARE))) for one in engine),
            ", ".join(str(max(2, ceil(rate * one / 1e6 / SHARE))) for one in exporter),
            ", ".join(significant(rate * one / 1e6) for one in network),
        ]


def test_settings_and_metrics_exist() -> None:
    settings = set(re.findall(r"`(ledger\w*|dedup\w*)[` ]", TEXT))
    assert settings <= set(Settings.model_fields)
    assert {"ledger", "ledger_wait", "ledger_shards"} <= settings
    for value in re.findall(r'`ledger_wait = "([^"]+)"`', TEXT):
        replicas(value)
        assert Settings(ledger="redis://a", ledger_wait=value).ledger_wait == value
    assert set(re.findall(r"`(session_exporter_\w+)`", TEXT)) == {
        names.LEDGER_LOST,
        names.LEDGER_MISCONFIGURED,
    }


def test_commands_create_a_password_file_for_exporters_and_nodes(machine: Machine) -> None:
    (block,) = blocks(TEXT, "sh")
    secrets = machine.repository / "deploy" / "compose" / "secrets"
    secrets.mkdir()
    machine.run(block)
    found = owned(secrets / "ledger-password")["ledger-password"]
    users = {REPLICATED["services"][name]["user"] for name in (*NODES, "ledger-form")}
    assert users == {f"{found.gid}:{found.gid}"}
    image = (DOCS.parent / "deploy" / "Containerfile").read_text()
    assert f"USER {found.uid}:" in image
    assert found.mode == 0o440
    assert len(EXPORTERS) == 3
    (call,) = machine.told("docker")
    assert call[:3] == ["compose", "-f", "compose.replicas.yaml"]
