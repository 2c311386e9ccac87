"""docs/: commands print what the pages show, and tables are those of the code."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import names
from exporter.errors import REJECTED_REASONS, refusals
from exporter.ingest.event import Event
from exporter.ledger.queued import GROUP_EVENTS
from exporter.ledger.recovery import Plan
from exporter.ledger.window import Window
from exporter.settings import Settings, load
from exporter.streampixel.builds import EVENTS
from exporter.streampixel.poller import REASONS
from exporter.taxonomy.model import PHASES, Outcome, Owner, Severity
from exporter.taxonomy.system import CODE_KEYS, SYSTEM_KEYS
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.settings_table import MARKED, default, table, write
from tests.streampixel.stats_server import USER, StatsServer, key_file
from tests.streampixel.webhook import token_file
from tests.test_readme import Terminal, settled, shown, slugs

DOCS = ROOT / "docs"
PAGES = (
    *("send", "add-a-system", "tune-alerts", "operate", "scale", "builds"),
    *("settings", "metrics", "alerts", "backtest"),
)
TEXTS = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in PAGES}
OPERATE = "operate"
BUILDS = "builds"
STOPPED = "Back up, restore, move"
"""The section whose commands are run while no exporter runs."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def section(text: str, heading: str) -> str:
    assert f"\n## {heading}\n" in text, heading
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def tables(text: str) -> list[list[list[str]]]:
    """Cells of the rows of every table, without headings."""
    return [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in found.splitlines()[2:]]
        for found in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    ]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a page's commands run: what they read of the checkout is there."""
    (tmp_path / "exporter").symlink_to(ROOT / "exporter")
    # A copy: `cp -r` of a link is a link, and a page edits its copy of the rules.
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if page not in (OPERATE, BUILDS)])
def test_commands_print_the_shown_output(page: str, folder: Path) -> None:
    written = re.findall(r"^`([\w./-]+)`:\n\n```\w*\n(.*?)^```", TEXTS[page], re.M | re.S)
    for name, text in written:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    commands = [one for block in blocks(TEXTS[page], "console") for one in shown(block)]
    with ExporterProcess(folder / "data") as exporter:
        terminal = Terminal(exporter, folder)
        for one in commands:
            assert settled(terminal.run(one.command)) == settled(one.output), one.command


def test_the_pages_show_commands() -> None:
    counted = {page: TEXTS[page].count("\n$ ") for page in PAGES}
    assert counted == {
        "send": 7,
        "add-a-system": 5,
        "tune-alerts": 5,
        "operate": 2,
        "scale": 0,
        "builds": 6,
        "settings": 2,
        "metrics": 0,
        "alerts": 0,
        "backtest": 2,
    }


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        path, _, heading = target.partition("#")
        assert not path or (DOCS / path).resolve().exists(), target
        if heading:
            text = (DOCS / path).read_text(encoding="utf-8") if path else TEXTS[page]
            assert heading in slugs(text), target


@pytest.mark.parametrize("page", [page for page in PAGES if page != "tune-alerts"])
def test_settings_named_on_a_page_exist(page: str) -> None:
    written = re.findall(r"`((?:max|dedup|shutdown|receive|allow|data|first)_\w+)`", TEXTS[page])
    assert set(written) <= set(Settings.model_fields)
    variables = re.findall(r"SESSION_EXPORTER_(\w+)", TEXTS[page])
    assert {name.lower() for name in variables} <= {*Settings.model_fields, "config"}


# --- settings and metrics -------------------------------------------------------------------------


def test_settings_table_is_up_to_date() -> None:
    """Fails when a field, default or description changes: python -m tests.settings_table."""
    assert write(TEXTS["settings"]) == TEXTS["settings"], "run: python -m tests.settings_table"
    assert len(MARKED.findall(TEXTS["settings"])) == 1
    listed = re.findall(r"^\| `(\w+)` \|", table(), re.MULTILINE)
    assert listed == list(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_defaults_of_the_table_are_valid_values(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = default(Settings.model_fields[name])
    if written == "none":
        return
    monkeypatch.setenv(f"SESSION_EXPORTER_{name.upper()}", written.strip("`"))
    assert getattr(load(), name) == Settings.model_fields[name].default


def families() -> dict[str, str]:
    """Every metric of `names`, by the constant's name."""
    return {
        constant: name
        for constant, name in vars(names).items()
        if constant.isupper()
        and not constant.startswith("_")
        and isinstance(name, str)
        and re.fullmatch(
            r"session_(exporter_\w+|\w+_(total|seconds|info|help|objective|floor|users))", name
        )
    }


def test_metrics_table_has_every_family_and_its_type(tmp_path: Path) -> None:
    counts, _, own_metrics = tables(TEXTS["metrics"])
    named = {name: row[1] for row in [*counts, *own_metrics] for name in quoted(row[0])}
    assert set(named) == set(families().values())
    everything = {
        "streampixel_webhook_token_file": token_file(tmp_path),
        "live_stats_projects": "p1",
        "live_stats_user": USER,
        "live_stats_key_file": key_file(tmp_path),
        "live_stats_url": "http://127.0.0.1:9",
    }
    with ExporterProcess(tmp_path / "data", settings=everything) as exporter:
        text = exporter.request("ops", "GET", names.METRICS_PATH).body.decode()
    exposed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert named == {name: exposed[name] for name in named}
    own = {name for name in exposed if not name.endswith("_created")}
    assert {name for name in own if not name.startswith("process_")} == set(named)


def test_metrics_named_on_a_page_exist() -> None:
    written = set(re.findall(r"\b(session_exporter_\w+)", "".join(TEXTS.values())))
    assert written <= set(families().values())


# --- alerts ----------------------------------------------------------------------------------------


def test_alerts_table_lists_the_alerts_of_session_ends() -> None:
    rules = (ROOT / "rules" / "session-ends.yml").read_text(encoding="utf-8")
    rows, *_ = tables(TEXTS["alerts"])
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert sorted(quoted(row[0])[0] for row in rows) == sorted(alerts)


# --- send ------------------------------------------------------------------------------------------


def test_refusals_are_those_of_the_exporter() -> None:
    (rows,) = tables(section(TEXTS["send"], "When a request is refused"))
    assert [(int(row[0]), *quoted(row[1])) for row in rows] == [
        (kind.status, kind.reason) for kind in refusals()
    ]


def test_rejections_are_those_of_the_exporter() -> None:
    (rows,) = tables(section(TEXTS["send"], "When an event is rejected"))
    assert [quoted(row[0])[0] for row in rows] == list(REJECTED_REASONS)


def test_fields_table_has_the_fields_of_an_event() -> None:
    (rows,) = tables(section(TEXTS["send"], "Fields"))
    fields = [quoted(row[0])[0] for row in rows]
    assert sorted(fields) == sorted(Event.__struct_fields__)
    optional = Event.__struct_fields__[-len(Event.__struct_defaults__) :]
    assert [field for field, row in zip(fields, rows, strict=True) if row[1] == "yes"] == [
        field for field in fields if field not in optional
    ]


# --- builds and live users -------------------------------------------------------------------------


def test_builds_and_live_users_page_works_as_shown(folder: Path) -> None:
    """With the page's settings, but for the address of the platform."""
    commands = [one for block in blocks(TEXTS[BUILDS], "console") for one in shown(block)]
    made = [one for one in commands if not one.output.strip()]
    assert len(made) == 2
    for one in made:
        subprocess.run(one.command, shell=True, check=True, cwd=folder)
    written = "".join(blocks(TEXTS[BUILDS], "toml"))
    config = folder / "exporter.toml"
    config.write_text(written)
    project = tomllib.loads(written)["live_stats_projects"][0]
    with StatsServer() as platform:
        platform.counts = {project: (7, 2)}
        platform.key = "your-api-key"
        platform.user = tomllib.loads(written)["live_stats_user"]
        flags = ("--config", str(config))
        address = {"live_stats_url": platform.url}
        with ExporterProcess(folder / "data", *flags, settings=address) as exporter:
            wait_for(lambda: exporter.total(names.LIVE_USERS) == 7)
            terminal = Terminal(exporter, folder)
            for one in commands:
                if one not in made:
                    assert settled(terminal.run(one.command)) == settled(one.output), one.command


def test_build_events_and_reasons_are_those_of_the_exporter() -> None:
    events, reasons = tables(TEXTS[BUILDS])
    assert tuple(quoted(row[0])[0] for row in events) == EVENTS
    assert tuple(quoted(row[0])[0] for row in reasons) == REASONS


# --- add a system --------------------------------------------------------------------------------


def test_keys_of_a_system_are_those_of_the_loader() -> None:
    of_file, of_code = tables(section(TEXTS["add-a-system"], "The keys"))
    assert [quoted(row[0])[0] for row in of_file] == [*SYSTEM_KEYS, "objective"]
    keys = {quoted(row[0])[0]: row[1] for row in of_code}
    assert set(keys) == {*CODE_KEYS, "aliases", "planned", "spike_floor"}
    assert quoted(keys["phase"]) == list(PHASES)
    for key, values in (("outcome", Outcome), ("owner", Owner), ("severity", Severity)):
        assert quoted(keys[key]) == [one.value for one in values]


# --- tune the alerts ------------------------------------------------------------------------------


def test_alert_lab_has_the_named_flags() -> None:
    lab = (ROOT / "tests" / "lab" / "__main__.py").read_text(encoding="utf-8")
    flags = re.findall(r"ARGS=(--\w+)", TEXTS["tune-alerts"])
    assert len(flags) == 1
    for flag in flags:
        assert f'"{flag}"' in lab, flag


# --- operate -------------------------------------------------------------------------------------


@pytest.fixture
def filled(folder: Path) -> Iterator[tuple[ExporterProcess, Terminal]]:
    """An exporter that counted two ends, on the page's `data`."""
    with ExporterProcess(folder / "data") as exporter:
        reply = exporter.post([{"id": one, "system": "streampixel", "code": 4001} for one in "ab"])
        assert reply.json["accepted"] == 2
        yield exporter, Terminal(exporter, folder)


def stopped_commands() -> tuple[str, str]:
    """Backup and restore, as the page has them."""
    found = blocks(section(TEXTS[OPERATE], STOPPED), "console")
    backup, restore = (one.command for block in found for one in shown(block))
    return backup, restore


def ledger(exporter: ExporterProcess) -> set[str]:
    samples = [dict(labels) for name, labels in exporter.metrics() if name == names.SESSION_ENDS]
    return {labels["ledger"] for labels in samples}


def test_restored_backup_continues_from_its_counts(
    filled: tuple[ExporterProcess, Terminal],
) -> None:
    exporter, terminal = filled
    backup, restore = stopped_commands()
    before = ledger(exporter)
    assert exporter.stop() == 0
    assert terminal.run(backup) == ""
    exporter.start()
    later = {"id": "c", "system": "streampixel", "code": 4001}
    assert exporter.post(later).json["accepted"] == 1
    assert exporter.stop() == 0
    assert terminal.run(restore) == ""
    exporter.start()
    assert exporter.request("ops", "GET", names.READY_PATH).status == 200
    assert ledger(exporter) == before
    assert exporter.total(names.SESSION_ENDS, code="4001") == 2
    known = {"id": "a", "system": "streampixel", "code": 4001}
    assert exporter.post(known).json["duplicates"] == 1
    assert exporter.post(later).json["accepted"] == 1


def test_older_ledger_under_a_newer_commit_marker_is_damaged(
    filled: tuple[ExporterProcess, Terminal],
) -> None:
    exporter, terminal = filled
    backup, _ = stopped_commands()
    assert exporter.stop() == 0
    terminal.run(backup)
    exporter.start()
    exporter.post({"id": "c", "system": "streampixel", "code": 4001})
    assert exporter.stop() == 0
    shutil.copy(exporter.data_dir.parent / "backup" / "ledger.db", exporter.data_dir)
    exporter.start()
    ready = exporter.request("ops", "GET", names.READY_PATH)
    assert (ready.status, "damaged" in ready.body.decode()) == (503, True)
    assert exporter.post({"id": "d", "system": "streampixel"}).json["accepted"] == 1


def test_copy_of_a_running_exporter_is_damaged(
    filled: tuple[ExporterProcess, Terminal], folder: Path
) -> None:
    _, terminal = filled
    backup, _ = stopped_commands()
    terminal.run(backup)
    with ExporterProcess(folder / "backup") as copied:
        assert copied.request("ops", "GET", names.READY_PATH).status == 503
        assert copied.total(names.SESSION_ENDS) == 0


def test_data_folder_has_the_listed_files(
    filled: tuple[ExporterProcess, Terminal],
) -> None:
    exporter, _ = filled
    (listed, *_) = tables(TEXTS[OPERATE])
    named = {quoted(row[0])[0] for row in listed}
    assert {path.name for path in exporter.data_dir.iterdir()} == {
        name for name in named if "damaged" not in name and not name.endswith(".new")
    }


def test_troubleshooting_quotes_real_messages() -> None:
    (rows,) = tables(section(TEXTS[OPERATE], "Troubleshooting"))
    reasons = {quoted(row[0])[0] for row in rows if row[0].startswith("503")}
    assert reasons == {kind.reason for kind in refusals() if kind.status == 503}
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "exporter").rglob("*.py")
    )
    messages = [text for row in rows for text in re.findall(r'"([^"]+)"', row[0])]
    assert len(messages) >= 6
    for message in messages:
        for part in message.split("…"):
            assert part.strip() in sources, message


# --- scale ---------------------------------------------------------------------------------------


def test_window_memory_and_rate_are_correct() -> None:
    rows, *_ = tables(TEXTS["scale"])
    settings = Settings()
    slack = GROUP_EVENTS + settings.max_events
    assert rows[0][0] == f"{settings.dedup_window_ids:,}"
    assert settings.dedup_window_age == 86400
    for ids, rate, memory in rows:
        count = int(ids.replace(",", ""))
        # numpy takes the memory of zeros when they are written to: nothing is filled here.
        megabytes = Window(count, slack).nbytes / 1024**2
        assert int(rate.split()[0].replace(",", "")) == count // 86400
        assert float(memory.split()[0].replace(",", "")) == pytest.approx(megabytes, rel=0.01)
    assert Plan(Path()).ids == settings.dedup_window_ids
    assert f"{settings.max_queue_bytes // 1024**2} MiB" in TEXTS["scale"]
    assert f"{settings.max_label_values} values;" in TEXTS["scale"]


def test_goals_are_those_of_the_benchmarks() -> None:
    _, _, rows, *_ = tables(TEXTS["scale"])
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "bench").glob("*.py")
    )
    assert len(rows) >= 5
    for figure, goal in rows:
        assert f'"{figure}"' in sources, figure
        amount = re.match(r"[≥≤<] (?:× )?[\d,.]+", goal)
        assert amount, goal
        assert re.search(rf'"{re.escape(amount[0])}\b', sources), goal
