"""Overlays change a loaded system; mistakes name the overlay's file and line."""

from pathlib import Path

from exporter.taxonomy import loader
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Owner, Severity, System
from tests.taxonomy.mistakes import VALID
from tests.taxonomy.test_loader import mistakes_of

NEW = """extends: acme
codes:
  - code: "4242"
    name: Out Of Quota
    phase: connect
    category: closure
    outcome: neutral
    owner: policy
    severity: none
    description: The account's quota is used up.
    causes: Many sessions.
    fix: Buy more.
"""


def write(folder: Path, name: str, *rows: str, system: str = "streampixel") -> Path:
    """An overlay with these lines below `codes:`."""
    path = folder / f"{name}.yaml"
    path.write_text("\n".join((f"extends: {system}", "codes:", *rows, "")))
    return path


def loaded(folder: Path, system: str = "streampixel") -> System:
    return load([folder]).systems[system]


def test_overlay_replaces_its_keys_and_adds_aliases(tmp_path: Path) -> None:
    shipped = load().systems["streampixel"].match("4006")
    path = write(
        *(tmp_path, "mine", '  - code: "4006"', "    owner: client", "    planned: true"),
        *("    spike_floor: 9", "    severity: ticket", "    aliases: [Game Crashed]"),
    )
    path.write_text(path.read_text() + "objective: 0.9\n")
    system = loaded(tmp_path)
    code = system.match("Game Crashed")
    assert (code.severity, code.owner) == (Severity.TICKET, Owner.CLIENT)
    assert (code.planned, code.spike_floor) == (True, 9)
    assert (code.name, code.fix, code.phase) == (shipped.name, shipped.fix, shipped.phase)
    assert system.match("Application Error") is system.match("4006") is code
    assert code.changed_by == f"{path}:4"
    assert system.objective == 0.9
    assert [other.code for other in system.codes if other.changed_by] == ["4006"]


def test_overlay_changes_the_new_code_of_another_overlay(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(VALID)
    (tmp_path / "m-new.yaml").write_text(NEW)
    first = write(tmp_path, "a", '  - code: "4242"', "    aliases: [quota]", system="acme")
    last = write(tmp_path, "z", '  - code: "4242"', "    aliases: [limit]", system="acme")
    system = loaded(tmp_path, "acme")
    code = system.match("quota")
    assert code is system.match("limit") is system.match("Out Of Quota")
    assert code.changed_by == f"{first}:3, {tmp_path}/m-new.yaml:4, {last}:4"


def test_equal_overlays_and_a_shipped_alias_are_no_mistake(tmp_path: Path) -> None:
    """Fails when a repeated alias is refused: an upgrade to a release that ships the alias would fail."""
    rows = ('  - code: "4001"', "    severity: ticket", "    aliases: [Worker Node Unavailable]")
    for name in "ab":
        write(tmp_path, name, *rows)
    code = loaded(tmp_path).match("4001")
    assert code.severity is Severity.TICKET
    assert code.aliases == load().systems["streampixel"].match("4001").aliases


def test_overlays_that_disagree_are_both_named(tmp_path: Path) -> None:
    for name, value in (("a", "ticket"), ("b", "none")):
        path = write(tmp_path, name, '  - code: "4006"', f"    severity: {value}")
        path.write_text(f"objective: 0.{len(value)}\n{path.read_text()}")
    rule = "has another value on"
    assert mistakes_of(tmp_path) == [
        f"{tmp_path}/b.yaml:1: objective: {rule} {tmp_path}/a.yaml:1; remove one of the two",
        f"{tmp_path}/b.yaml:5: code '4006' severity: {rule} {tmp_path}/a.yaml:5; remove one of the two",
    ]


def test_mistakes_in_an_overlay_name_line_field_and_remedy(tmp_path: Path) -> None:
    path = write(
        *(tmp_path, "mine", '  - code: "4000"', "    aliases: [Application Not Found]"),
        *('  - code: "4066"', "    severity: page", "    owner: client"),
        *("  - code: unknown", "    severity: page", '  - code: "1000"', "    outcome: failure"),
        *("  - code: 4007", "    severity: loud", '  - code: "4001"', '  - code: "4001"'),
        *('  - code: "4003"', "    aliases:", "      - fine", "      - unknown", "title: Mine"),
    )
    other = write(tmp_path, "other", '  - code: "1"', system="streampixl")
    shipped = Path(loader.__file__).with_name("streampixel.yaml")
    line = shipped.read_text().splitlines().index("    name: Application Not Found") + 1
    new = "streampixel has no such code, and a new code needs"
    assert mistakes_of(tmp_path) == [
        f"{path}:20: title: no such key",
        f"{other}:1: extends: must be one of softdrive, streampixel",
        f"{path}:12: code 4007 code: must be text in quotes",
        f"{path}:15: code '4001': is written twice, first on {path}:14",
        f"{path}:19: code '4003' aliases[2]: 'unknown' is reserved for undocumented codes",
        f"{path}:13: code '4007' severity: must be 'page', 'ticket' or 'none'",
        f"{path}:5: code '4066': {new} name, phase, category, outcome, description, causes, fix",
        f"{path}:8: code 'unknown': {new} name, phase, category, outcome, owner, description, causes, fix",
        f"{path}:4: this spelling of code '4000' also means code '4002' ({shipped}:{line}); remove it from "
        "one of the two",
        f"{path}:11: code '1000' outcome: must be success for the normal end",
    ]
