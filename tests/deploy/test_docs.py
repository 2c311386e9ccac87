"""The pages in docs/: commands print the shown output, and tables agree with the code."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from exporter import names
from exporter.errors import REFUSALS, REJECTED_REASONS
from exporter.ingest.event import Event
from exporter.ledger.queued import GROUP_EVENTS
from exporter.ledger.recovery import LedgerSettings
from exporter.ledger.window import Window
from exporter.settings import Settings
from exporter.streampixel.builds import EVENTS
from exporter.streampixel.live_stats import REASONS
from exporter.taxonomy.file import SystemFile
from exporter.taxonomy.model import PHASES, Outcome, Owner, Row, Severity
from tests.dashboards.conftest import exporter_with_all_metrics
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.ledger.redis_server import RedisServer
from tests.settings_table import MARKED, table, write
from tests.streampixel.stats_server import StatsServer
from tests.test_readme import Shown, Terminal, settled, shown

DOCS = ROOT / "docs"
PAGES = (
    *("send", "add-a-system", "tune-alerts", "operate", "scale", "builds"),
    *("settings", "metrics", "alerts", "backtest"),
)
TEXTS = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in PAGES}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def section(text: str, heading: str) -> str:
    assert f"\n## {heading}\n" in text, heading
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def tables(text: str) -> list[list[list[str]]]:
    """Cells of the rows of every table, without headings."""
    return [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines.splitlines()[2:]]
        for lines in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    ]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def first_cells(rows: list[list[str]]) -> list[str]:
    """The quoted name in the first cell of each row."""
    return [quoted(row[0])[0] for row in rows]


def commands(page: str) -> list[Shown]:
    return [command for block in blocks(TEXTS[page], "console") for command in shown(block)]


def run(command: Shown, terminal: Terminal) -> None:
    """Runs a command and compares its output with the page."""
    assert settled(terminal.run(command.command)) == settled(command.output), command.command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for commands, with the parts of the checkout that they read."""
    (tmp_path / "exporter").symlink_to(ROOT / "exporter")
    # A copy: `cp -r` of a link is a link, and a page edits its copy of the rules.
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    return tmp_path


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    with ExporterProcess(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


# The page `send` is tested first, because it shows the counts of an exporter without earlier events.
@pytest.mark.parametrize("page", ["send", "add-a-system", "tune-alerts", "settings", "backtest"])
def test_commands_print_the_shown_output(
    page: str, folder: Path, exporter: ExporterProcess
) -> None:
    files = re.findall(r"^`([\w./-]+)`:\n\n```\w*\n(.*?)^```", TEXTS[page], re.M | re.S)
    for name, text in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    assert len(commands(page)) == TEXTS[page].count("\n$ ") > 0
    terminal = Terminal(exporter, folder)
    for command in commands(page):
        run(command, terminal)


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings."""
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }


def test_links_lead_to_files_and_headings() -> None:
    pages = [ROOT / "README.md", *DOCS.glob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    assert len(pages) > 10
    for page in pages:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            path, _, heading = target.partition("#")
            linked = page.parent / path if path else page
            assert "://" in target or linked.exists(), (page, target)
            if heading:
                assert heading in slugs(linked.read_text(encoding="utf-8")), (page, target)


def test_settings_and_metrics_named_on_the_pages_exist() -> None:
    text = "".join(TEXTS.values())
    # A function of PromQL, and a reason of refusals.
    others = {"max_over_time", "ledger_unavailable"}
    settings = re.findall(r"`((?:max|dedup|shutdown|receive|allow|data|first|ledger)_\w+)`", text)
    assert {*settings} - others <= {*Settings.model_fields}
    variables = re.findall(r"SESSION_EXPORTER_(\w+)", text)
    assert {name.lower() for name in variables} <= {*Settings.model_fields, "config"}
    metrics = re.findall(r"\b(session_exporter_\w+)", text)
    assert {*metrics} <= {value for value in vars(names).values() if isinstance(value, str)}


def test_settings_table_is_up_to_date() -> None:
    """Fails when a field, default or description changes: python -m tests.settings_table."""
    assert write(TEXTS["settings"]) == TEXTS["settings"], "run: python -m tests.settings_table"
    assert len(MARKED.findall(TEXTS["settings"])) == 1
    listed = re.findall(r"^\| `(\w+)` \|", table(), re.MULTILINE)
    assert listed == list(Settings.model_fields)


def test_metrics_table_has_every_family_and_its_type(tmp_path: Path) -> None:
    counts, _, own_metrics = tables(TEXTS["metrics"])
    listed = {name: row[1] for row in [*counts, *own_metrics] for name in quoted(row[0])}
    with exporter_with_all_metrics(tmp_path) as exporter:
        text = exporter.request("ops", "GET", names.METRICS_PATH).body.decode()
    exposed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert listed.items() <= exposed.items()
    assert {name for name in exposed if not name.startswith("process_")} == set(listed)


def test_tables_list_the_values_of_the_code() -> None:
    alerts, *_ = tables(TEXTS["alerts"])
    (requests,) = tables(section(TEXTS["send"], "When a request is refused"))
    (events,) = tables(section(TEXTS["send"], "When an event is rejected"))
    builds, reasons = tables(TEXTS["builds"])
    rules = (ROOT / "rules" / "session-ends.yml").read_text(encoding="utf-8")
    assert sorted(first_cells(alerts)) == sorted(re.findall(r"- alert: (\w+)", rules))
    assert [(int(row[0]), *quoted(row[1])) for row in requests] == [
        (kind.status, kind.reason) for kind in REFUSALS
    ]
    assert first_cells(events) == [*REJECTED_REASONS]
    assert first_cells(builds) == [*EVENTS]
    assert first_cells(reasons) == [*REASONS]


def test_fields_table_has_the_fields_of_an_event() -> None:
    (rows,) = tables(section(TEXTS["send"], "Fields"))
    fields = first_cells(rows)
    assert sorted(fields) == sorted(Event.__struct_fields__)
    optional = Event.__struct_fields__[-len(Event.__struct_defaults__) :]
    assert [field for field, row in zip(fields, rows, strict=True) if row[1] == "yes"] == [
        field for field in fields if field not in optional
    ]


def test_builds_and_live_users_page_works_as_shown(folder: Path) -> None:
    """With the page's settings, except the address of the platform."""
    silent = [command for command in commands("builds") if not command.output.strip()]
    assert len(silent) == 2
    for command in silent:
        subprocess.run(command.command, shell=True, check=True, cwd=folder)
    text = "".join(blocks(TEXTS["builds"], "toml"))
    config = folder / "exporter.toml"
    config.write_text(text)
    settings = tomllib.loads(text)
    with StatsServer() as platform:
        platform.counts = {settings["live_stats_projects"][0]: (7, 2)}
        platform.key = "your-api-key"
        platform.user = settings["live_stats_user"]
        flags = ("--config", str(config))
        address = {"live_stats_url": platform.url}
        with ExporterProcess(folder / "data", *flags, settings=address) as exporter:
            wait_for(lambda: exporter.total(names.LIVE_USERS) == 7)
            terminal = Terminal(exporter, folder)
            for command in commands("builds"):
                if command not in silent:
                    run(command, terminal)


def test_keys_of_a_system_are_those_of_the_loader() -> None:
    of_file, of_code = tables(section(TEXTS["add-a-system"], "The keys"))
    assert first_cells(of_file) == list(SystemFile.model_fields)
    keys = {quoted(row[0])[0]: row[1] for row in of_code}
    assert set(keys) == {field.name for field in fields(Row)}
    assert quoted(keys["phase"]) == list(PHASES)
    for key, values in (("outcome", Outcome), ("owner", Owner), ("severity", Severity)):
        assert quoted(keys[key]) == [item.value for item in values]


def event(id_: str) -> dict[str, object]:
    return {"id": id_, "system": "streampixel", "code": 4001}


@pytest.fixture
def filled(folder: Path) -> Iterator[tuple[ExporterProcess, Terminal]]:
    """An exporter that counted two ends, with the page's `data`."""
    with ExporterProcess(folder / "data") as exporter:
        reply = exporter.post([event("a"), event("b")])
        assert reply.json["accepted"] == 2
        yield exporter, Terminal(exporter, folder)


def ledger(exporter: ExporterProcess) -> set[str]:
    samples = [dict(labels) for name, labels in exporter.metrics() if name == names.SESSION_ENDS]
    return {labels["ledger"] for labels in samples}


def assert_starts_as_another_ledger(exporter: ExporterProcess, old: set[str], ends: int) -> None:
    exporter.start()
    assert exporter.request("ops", "GET", names.READY_PATH).status == 200
    assert ledger(exporter).isdisjoint(old)
    assert exporter.total(names.SESSION_ENDS, code="4001") == ends


def test_restored_backup_continues_from_its_counts_as_another_ledger(
    filled: tuple[ExporterProcess, Terminal],
) -> None:
    exporter, terminal = filled
    before = ledger(exporter)
    run(commands("operate")[0], terminal)
    assert exporter.post(event("c")).json["accepted"] == 1
    assert exporter.stop() == 0
    (terminal.folder / "backup/ledger-20000101T000000Z.db").write_text("an older backup")
    run(commands("operate")[1], terminal)
    assert_starts_as_another_ledger(exporter, before, 2)
    assert exporter.post(event("a")).json["duplicates"] == 1
    assert exporter.post(event("c")).json["accepted"] == 1


def test_backup_is_restored_in_the_volume_of_a_running_container(
    filled: tuple[ExporterProcess, Terminal],
) -> None:
    exporter, terminal = filled
    before = ledger(exporter)
    back_up, copy, replace = commands("operate")[3:]
    shell = 'cd data; export SESSION_EXPORTER_DATA_DIR="$PWD" PATH="..:$PATH"; '
    run(Shown(f"{shell}{back_up.command}", back_up.output), terminal)
    assert exporter.post(event("c")).json["accepted"] == 1
    run(Shown(f"{shell}{copy.command}", ""), terminal)
    run(Shown(f"{shell}{replace.command}", ""), terminal)
    assert exporter.wait() == 1
    # As the container is started again.
    assert_starts_as_another_ledger(exporter, before, 2)
    (kept,) = exporter.data_dir.glob("before-*")
    assert {path.name for path in kept.iterdir()} == {
        *("ledger.db", "ledger.db-wal", "ledger.marker")
    }


def test_moved_ledger_is_the_same_ledger(
    filled: tuple[ExporterProcess, Terminal], folder: Path
) -> None:
    exporter, terminal = filled
    before = ledger(exporter)
    assert exporter.stop() == 0
    run(commands("operate")[2], terminal)
    with ExporterProcess(folder / "moved") as moved:
        assert ledger(moved) == before
        assert moved.total(names.SESSION_ENDS, code="4001") == 2


def test_restored_shared_ledger_is_another_ledger(tmp_path: Path) -> None:
    [command] = blocks(section(TEXTS["operate"], "Back up, restore, move"), "sh")
    with (
        RedisServer(tmp_path / "redis") as server,
        ExporterProcess(tmp_path / "data", settings={"ledger": server.url}) as exporter,
    ):
        assert exporter.post(event("a")).json["accepted"] == 1
        before = ledger(exporter)
        assert "redis://cache.example.com:6379" in command
        command = command.replace("redis://cache.example.com:6379", server.url)
        subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)
        assert exporter.wait() == 1
        assert "has become" in exporter.log
        assert_starts_as_another_ledger(exporter, before, 1)
        assert exporter.post(event("a")).json["duplicates"] == 1


def test_data_folder_has_the_listed_files(filled: tuple[ExporterProcess, Terminal]) -> None:
    exporter, _ = filled
    files, *_ = tables(TEXTS["operate"])
    assert {path.name for path in exporter.data_dir.iterdir()} == {
        name for name in first_cells(files) if "damaged" not in name and not name.endswith(".new")
    }


def test_troubleshooting_quotes_real_messages() -> None:
    (rows,) = tables(section(TEXTS["operate"], "Troubleshooting"))
    reasons = {*first_cells([row for row in rows if row[0].startswith("503")])}
    assert reasons == {kind.reason for kind in REFUSALS if kind.status == 503}
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "exporter").rglob("*.py")
    )
    messages = [text for row in rows for text in re.findall(r'"([^"]+)"', row[0])]
    assert len(messages) >= 6
    for message in messages:
        for part in message.split("…"):
            assert part.strip() in sources, message


def test_window_memory_and_rate_are_correct() -> None:
    rows, *_ = tables(TEXTS["scale"])
    settings = Settings()
    slack = GROUP_EVENTS + settings.max_events
    assert rows[0][0] == f"{settings.dedup_window_ids:,}"
    assert settings.dedup_window_age == 86400
    for ids, rate, memory in rows:
        count = int(ids.replace(",", ""))
        # numpy takes the memory of zeros when they are written to: nothing is filled here.
        parts = vars(Window(count, slack)).values()
        megabytes = sum(getattr(part, "nbytes", 0) for part in parts) / 1024**2
        assert int(rate.split()[0].replace(",", "")) == count // 86400
        assert float(memory.split()[0].replace(",", "")) == pytest.approx(megabytes, rel=0.01)
    assert LedgerSettings(Path()).ids == settings.dedup_window_ids
    assert f"{settings.max_queue_bytes // 1024**2} MiB" in TEXTS["scale"]
    assert f"{settings.max_label_values} values;" in TEXTS["scale"]
