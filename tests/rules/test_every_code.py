"""Every code with a page or a ticket fires its spike, or its overrun, with its labels."""

import subprocess
from pathlib import Path

import pytest

from exporter import names
from exporter.taxonomy.model import Code, Page
from tests.rules.promtool import (
    CODES,
    PACK,
    RULES,
    WINDOWS,
    Case,
    counted,
    ends,
    run,
    share,
)

ENDS_A_MINUTE = 200.0
MINUTES = 70


def watched(system: str) -> list[Code]:
    return [
        code for (name, _), code in CODES.items() if name == system and code.page is not Page.NEVER
    ]


def labels_of(alert: str, signal: str, code: Code) -> dict[str, str]:
    """What routing and silences rely on; promtool compares the whole set."""
    severity = "ticket" if signal == "overrun" else code.page.value
    return {
        "alertname": alert,
        "alertstate": "firing",
        "severity": severity,
        "signal": signal,
        "system": code.system,
        "code": code.code,
        "phase": code.phase,
        "category": code.category,
        "owner": code.owner.value,
    }


def burst(system: str) -> Case:
    """3 % of all ends with each code, 16 % with a planned one; 0.1 % was usual."""
    inputs, rest = {}, ENDS_A_MINUTE
    for code in watched(system):
        planned = (system, code.code) in PACK.policy.planned
        rate = ENDS_A_MINUTE * (0.16 if planned else 0.03)
        rest -= rate
        inputs[ends(code)] = counted([rate] * MINUTES)
        inputs[share(code)] = f"0.001x{MINUTES}"
    normal = PACK.taxonomy.systems[system].normal
    return Case("1m", inputs | {ends(normal): counted([rest] * MINUTES)})


@pytest.mark.parametrize("system", list(PACK.taxonomy.systems))
def test_every_watched_code_of_a_system_fires_its_spike_or_overrun(
    tmp_path: Path, system: str
) -> None:
    case = burst(system)
    expected = {}
    for subject in PACK.subjects:
        if subject.code is None or subject.code.system != system:
            continue
        if subject.signal.value in ("spike", "overrun"):
            labels = labels_of(subject.alert, subject.signal.value, subject.code)
            inner = ", ".join(f'{name}="{value}"' for name, value in labels.items())
            expected[f"ALERTS{{{inner}}}"] = 1.0
    assert len(expected) == len(watched(system))
    case.query(f"{MINUTES}m", "ALERTS{alertstate='firing', signal=~'spike|overrun'}", expected)
    case.query(
        f"{MINUTES}m",
        "count(ALERTS{alertstate='firing', signal='elevated', severity='ticket'})",
        {"{}": len(watched(system))},
    )
    assert run(tmp_path, (WINDOWS, f"alerts-{system}.yml"), case) == ""


def test_promtool_finds_nothing_to_say_about_the_rules() -> None:
    done = subprocess.run(
        [
            "promtool",
            "check",
            "rules",
            "--lint=all",
            "--lint-fatal",
            *map(str, sorted(RULES.glob("*.yml"))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def test_every_recorded_name_is_written_once_in_names() -> None:
    stems = tuple(value for name, value in vars(names).items() if name.startswith("RULE_"))
    for file in ("baseline.yml", WINDOWS):
        for line in (RULES / file).read_text().splitlines():
            if "record: " in line:
                assert line.split("record: ")[1].startswith(stems)
