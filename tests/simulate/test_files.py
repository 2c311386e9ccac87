"""`simulate` to files and to standard output."""

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.commands.running import arguments, environment, run, url
from tests.e2e.exporter_process import ExporterProcess
from tests.simulate.ran import START, Ran


def test_send_takes_what_ndjson_writes_and_counts_all_of_it(
    tmp_path: Path, running: ExporterProcess
) -> None:
    file = tmp_path / "ends.ndjson"
    written = run("simulate", "--ndjson", file, "--system", "both", "--seed", 4)
    assert written.returncode == 0, written.stderr
    lines = len(file.read_text().splitlines())
    sent = run("send", file, "--url", url(running), "--json")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert json.loads(sent.stdout)["accepted"] == lines > 500
    assert "are ignored" not in sent.stderr
    # The last quarter of an hour is on time.
    on_time, late = (
        running.total(name) for name in ("session_ends_total", "session_ends_late_total")
    )
    assert on_time + late == lines
    assert 0 < on_time < late


def test_the_same_flags_write_the_same_file(tmp_path: Path) -> None:
    for option in ("ndjson", "openmetrics"):
        texts = set()
        for name in ("a", "b"):
            path = tmp_path / name
            assert Ran(**{option: path}, seed=4, start=START, days=0.1).exit_code == 0
            texts.add(path.read_bytes())
        assert len(texts) == 1


def test_what_happened_is_told_with_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "ends.ndjson"
    ran = Ran(ndjson=path, seed=4, start=START, incidents=["stop@30m"])
    ends = len(path.read_text().splitlines())
    assert ran.said.splitlines() == [
        f"the same again: --seed 4 --start {START}",
        "2026-01-05T08:30:00Z to 2026-01-05T09:00:00Z stop on streampixel (page: stopped)",
        f"streampixel: {ends:,} ends until 2026-01-05T09:00:00Z",
    ]


def test_a_directory_gets_a_file_a_day(tmp_path: Path) -> None:
    assert Ran(openmetrics=tmp_path, seed=4, start=START, days=1.0).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-01-05.om", "2026-01-06.om"]


def test_standard_output_has_the_events_alone() -> None:
    done = run("simulate", "--ndjson", "-", "--seed", 1, "--start", START)
    assert done.returncode == 0
    assert {json.loads(line)["system"] for line in done.stdout.splitlines()} == {"streampixel"}
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("lasting", ["1d", "2m"], ids=["while written", "when flushed"])
def test_a_reader_that_has_enough_is_no_error(lasting: str) -> None:
    """Fails with a traceback, or with "Exception ignored" at the interpreter's exit."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*arguments("simulate", "--ndjson", "-", "--start", START), "--for", lasting],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env=environment(),
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 2, done.stderr


@pytest.mark.parametrize(
    ("blocks", "lasting"),
    [(64, "1d"), (1, "2m")],
    ids=["while it is written", "when it is flushed"],
)
def test_a_file_that_can_not_be_finished_is_removed(
    blocks: int, lasting: str, tmp_path: Path
) -> None:
    """Fails when half a file is left: it looks like a whole one."""
    path = tmp_path / "ends.ndjson"
    command = [*arguments("simulate", "--ndjson", path, "--for", lasting), "--start", START]
    limited = subprocess.run(
        ["bash", "-c", f'trap "" XFSZ; ulimit -f {blocks}; exec "$@"', "bash", *command],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert limited.returncode == 2
    assert f"error: --ndjson {path}: File too large" in limited.stderr
    assert not path.exists()


def test_a_pipe_that_nobody_reads_to_its_end_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def read_a_little() -> None:
        with path.open("rb") as pipe:
            pipe.read(10)

    reader = threading.Thread(target=read_a_little)
    reader.start()
    ran = Ran(ndjson=path, days=1.0)
    reader.join()
    assert ran.exit_code == 2
    assert path.exists()


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Fails when a file that could not even be opened is removed."""
    folder = tmp_path / "folder"
    folder.mkdir()
    assert Ran(ndjson=folder).exit_code == 2
    assert folder.is_dir()
    assert Ran(ndjson=tmp_path / "none" / "ends.ndjson").exit_code == 2
