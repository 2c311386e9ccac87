"""docs/scale.md, section about replicas: its table follows from its formula, and its commands run."""

import re
from math import ceil
from pathlib import Path

from exporter import names
from exporter.settings import Settings
from exporter.settings.ledger_address import replicas
from tests.deploy.test_compose import FORM, NODES, REPLICAS
from tests.deploy.test_containerfile import IMAGE, texts
from tests.deploy.test_docs import TEXTS, blocks, section, tables
from tests.deploy.test_install import Machine
from tests.root import owned, root_owned

TEXT = section(TEXTS["scale"], "Replicas over one ledger")
SHARE = 0.5
"""The used share of a core; the rest is for peaks."""


def rounded(value: float) -> str:
    """A number with at least two significant digits and as few decimals as possible."""
    decimals = 0 if value >= 9.95 else 1 if value >= 0.095 else 2
    return f"{value:,.{decimals}f}"


def test_sizes_follow_from_the_costs() -> None:
    _, _, costs, _, sizes = tables(TEXT)
    memory, network, _, exporter, ledger = ([float(cell) for cell in row[1:]] for row in costs)
    assert int(SHARE * 1e6) == int(re.findall(r"÷ ([\d,]+)", TEXT)[0].replace(",", ""))
    assert "190 bytes × 1.5" in TEXT
    assert {row[0] for row in sizes} >= {"1,000", "1,000,000"}
    for first, *others in sizes:
        rate = int(first.replace(",", ""))
        assert others == [
            *(
                f"{rounded(rate * seconds * memory[0] * 1.5 / 1e9)} GB"
                for seconds in (Settings().dedup_window_age, 3600)
            ),
            ", ".join(str(max(3, ceil(rate * cost / 1e6 / SHARE))) for cost in ledger),
            ", ".join(str(max(2, ceil(rate * cost / 1e6 / SHARE))) for cost in exporter),
            ", ".join(rounded(rate * cost / 1e6) for cost in network),
        ]


def test_settings_and_metrics_exist() -> None:
    settings = set(re.findall(r"`(ledger\w*|dedup\w*)[` ]", TEXT))
    assert {"ledger", "ledger_wait", "ledger_shards"} <= settings <= {*Settings.model_fields}
    for value in re.findall(r'`ledger_wait = "([^"]+)"`', TEXT):
        replicas(value)
        assert Settings(ledger="redis://a", ledger_wait=value).ledger_wait == value
    metrics = set(re.findall(r"`(session_exporter_\w+)`", TEXT))
    assert metrics == {names.LEDGER_LOST, names.LEDGER_MISCONFIGURED}


def test_commands_create_a_password_file_for_exporters_and_nodes(tmp_path: Path) -> None:
    (block,) = blocks(TEXT, "sh")
    with root_owned(tmp_path):
        machine = Machine(tmp_path)
        secrets = machine.repository / "deploy" / "compose" / "secrets"
        secrets.mkdir()
        machine.run(block)
        password = owned(secrets / "ledger-password")["ledger-password"]
        (call,) = machine.calls("docker")
    users = {REPLICAS["services"][name]["user"] for name in (*NODES, FORM)}
    assert users == {f"{password.gid}:{password.gid}"}
    (user,) = texts("USER", IMAGE)
    assert user.startswith(f"{password.uid}:")
    assert password.mode == 0o440
    assert call[:3] == ["compose", "-f", "compose.replicas.yaml"]
