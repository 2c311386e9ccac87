"""deploy/senders: each against a real exporter, on a bad network, and never counted twice."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import tomllib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from exporter import names
from exporter.ingest.event import Event
from exporter.settings import Settings, load
from tests.deploy.lossy import HELD, KEPT, LOST, PASSED, REFUSED, lossy
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for

FOLDER = ROOT / "deploy" / "senders"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
TOKEN = "0123456789abcdef0123456789abcdef"
PROGRAMS = ("send.sh", "send.py", "send.mjs", "send.go")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """send.go as a program; the standard library is all it needs, and no C compiler."""
    program = tmp_path_factory.mktemp("go") / "send"
    subprocess.run(
        ["go", "build", "-o", program, FOLDER / "send.go"],
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""},
        check=True,
        timeout=300,
    )
    return program


@pytest.fixture(params=PROGRAMS)
def command(request: pytest.FixtureRequest) -> list[str]:
    """How each program is started."""
    if request.param == "send.go":
        return [str(request.getfixturevalue("compiled"))]
    runs = {"send.sh": [], "send.py": [sys.executable], "send.mjs": ["node"]}
    return [*runs[request.param], str(FOLDER / request.param)]


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    folder = tmp_path_factory.mktemp("senders")
    (folder / "tokens").write_text(TOKEN)
    settings = {"ingest_token_file": folder / "tokens"}
    with ExporterProcess(folder / "data", settings=settings) as running:
        yield running


@pytest.fixture
def counted(exporter: ExporterProcess) -> Callable[[], float]:
    """Ends with code 4001 since the test began."""

    def total() -> float:
        return exporter.total(names.SESSION_ENDS, system="streampixel", code="4001")

    before = total()
    return lambda: total() - before


@pytest.fixture
def ended() -> tuple[str, str, str]:
    """The arguments of a sender, with a session of this test alone."""
    return ("streampixel", "4001", f"s-{uuid.uuid4()}")


def environment(url: str, token: str = TOKEN) -> dict[str, str]:
    return {**os.environ, "SESSION_ENDS_URL": url, "SESSION_ENDS_TOKEN": token}


def run(
    command: list[str], url: str, *ended: str, token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *ended],
        env=environment(url, token),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_readme_lists_every_sender() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert files == {*PROGRAMS, "vector.toml", "fluent-bit.yaml"}
    assert set(re.findall(r"^\| \[([\w.-]+)\]\(\1\) \|", README, re.MULTILINE)) == files


def test_end_sent_twice_counts_once(
    command: list[str],
    exporter: ExporterProcess,
    counted: Callable[[], float],
    ended: tuple[str, str, str],
) -> None:
    url = f"http://127.0.0.1:{exporter.ports['ingest']}{names.INGEST_PATH}"
    first, second = (run(command, url, *ended) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert json.loads(first.stdout) == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert json.loads(second.stdout) == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert counted() == 1


def test_end_is_retried_after_lost_answer_and_503_and_counts_once(
    command: list[str],
    exporter: ExporterProcess,
    counted: Callable[[], float],
    ended: tuple[str, str, str],
) -> None:
    """Fails when a sender gives up, or makes a new id for another attempt."""
    with lossy(exporter.ports["ingest"], LOST, REFUSED) as network:
        done = run(command, network.url, *ended)
        assert done.returncode == 0, done.stderr
        assert len(network.bodies) == 3
        assert len(set(network.bodies)) == 1
    assert json.loads(done.stdout) == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert counted() == 1


def killed(command: list[str], url: str, *ended: str, when: threading.Event, folder: Path) -> None:
    """Run it, and kill it with all that it started as soon as `when` is set."""
    # A session of its own, for send.sh is not alone.
    sender = subprocess.Popen(
        [*command, *ended],
        env={**environment(url), "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(when.is_set, what="the request at which it is killed")
        assert sender.poll() is None
    finally:
        os.killpg(sender.pid, signal.SIGKILL)
        sender.wait()
    assert sender.returncode == -signal.SIGKILL


def test_killed_and_repeated_sender_counts_every_end_once(
    command: list[str],
    exporter: ExporterProcess,
    tmp_path: Path,
    counted: Callable[[], float],
    ended: tuple[str, str, str],
) -> None:
    """Killed twice: while its third end has not arrived, and when that is counted but it does not know.
    Fails when a sender makes its ids anew at each run."""
    ends = (*ended[:2], *(f"{ended[2]}-{number}" for number in range(5)))
    for at, before in ((KEPT, 2), (HELD, 3)):
        with lossy(exporter.ports["ingest"], PASSED, PASSED, at) as network:
            killed(command, network.url, *ends, when=network.waiting, folder=tmp_path)
        assert counted() == before
    done = run(command, f"http://127.0.0.1:{exporter.ports['ingest']}{names.INGEST_PATH}", *ends)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["duplicates"] for one in answers] == [1, 1, 1, 0, 0]
    assert [one["accepted"] for one in answers] == [0, 0, 0, 1, 1]
    assert counted() == 5


def test_missing_session_prints_usage_and_sends_nothing(
    command: list[str], exporter: ExporterProcess, ended: tuple[str, str, str]
) -> None:
    with lossy(exporter.ports["ingest"]) as network:
        done = run(command, network.url, *ended[:2])
        assert network.bodies == []
    assert done.returncode == 2
    assert "SESSION_ID..." in done.stderr


def test_rejected_event_is_reported_and_not_retried(
    command: list[str], exporter: ExporterProcess
) -> None:
    with lossy(exporter.ports["ingest"]) as network:
        done = run(command, network.url, "nosuchsystem", "1", "s-1")
        assert len(network.bodies) == 1
    assert done.returncode == 1
    assert "unknown_system" in done.stdout + done.stderr


def test_wrong_token_is_reported_and_not_retried(
    command: list[str],
    exporter: ExporterProcess,
    counted: Callable[[], float],
    ended: tuple[str, str, str],
) -> None:
    with lossy(exporter.ports["ingest"]) as network:
        done = run(command, network.url, *ended, token="wrong")
        assert len(network.bodies) == 1
    assert done.returncode == 1
    assert "unauthorized" in done.stdout + done.stderr
    assert counted() == 0


def test_readme_commands_print_the_shown_output(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    shown = [part.partition("\n") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    assert len(shown) == 2
    with ExporterProcess(tmp_path / "data") as running:
        for command, _, printed in shown:
            real = command.replace(Settings().ingest, f"127.0.0.1:{running.ports['ingest']}")
            done = subprocess.run(
                real, shell=True, cwd=ROOT, capture_output=True, text=True, check=True
            )
            assert done.stdout.strip() == printed.strip(), command


# --- the forwarders, which are not here to be run ---------------------------------------------------


def logged() -> dict[str, Any]:
    """The line of a log that the README shows."""
    (line,) = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    document: dict[str, Any] = json.loads(line)
    return document


@pytest.fixture
def vector() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "vector.toml").read_text(encoding="utf-8"))


@pytest.fixture
def fluent_bit() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / "fluent-bit.yaml").read_text("utf-8"))
    return document


def of_vector(document: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """The event that the remap makes of a log's line: each field is one of the line's."""
    source = document["transforms"]["ends"]["source"]
    body = source.partition(". = {")[2].partition("}")[0]
    fields = dict(re.findall(r'"(\w+)": line\.(\w+)', body))
    assert len(fields) == body.count(":")
    assert 'if line.event != "session_end" { abort }' in source
    return {name: line[key] for name, key in fields.items()}


def of_fluent_bit(document: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """The event that the filters make of a log's line."""
    event = dict(line)
    for one in document["pipeline"]["filters"]:
        if one["name"] == "grep":
            key, pattern = one["regex"].split(" ", 1)
            assert re.search(pattern, event[key])
        elif one["name"] == "record_modifier":
            event = {key: event[key] for key in one["allowlist_key"]}
        else:
            assert one["name"] == "modify"
            source, target = one["copy"].split()
            event[target] = event[source]
            source, target = one["rename"].split()
            event[target] = event.pop(source)
    return event


def test_vector_posts_valid_events(
    vector: dict[str, Any], exporter: ExporterProcess, counted: Callable[[], float]
) -> None:
    """Vector's http sink posts an array as application/json for the codec json, its documentation says."""
    sink = vector["sinks"]["exporter"]
    url = urlsplit(sink["uri"])
    assert (url.netloc, url.path) == (Settings().ingest, names.INGEST_PATH)
    assert (sink["type"], sink["method"], sink["encoding"]) == ("http", "post", {"codec": "json"})
    assert sink["batch"]["max_events"] <= Settings().max_events
    assert sink["batch"]["max_bytes"] <= Settings().max_body // 2
    assert sink["acknowledgements"] == {"enabled": True}
    assert sink["auth"]["strategy"] == "bearer"
    assert "retry_attempts" not in sink["request"], "the default is for ever"
    assert sink["compression"] == "gzip"
    assert sink["inputs"] == list(vector["transforms"])
    assert vector["transforms"]["ends"]["inputs"] == list(vector["sources"])
    event = of_vector(vector, logged()) | {"occurred_at": None}
    post(exporter, json.dumps([event]), "application/json")
    assert counted() == 1


def test_fluent_bit_posts_valid_events(
    fluent_bit: dict[str, Any], exporter: ExporterProcess, counted: Callable[[], float]
) -> None:
    """Fluent Bit posts json_lines as application/x-ndjson, and a header line's first word is its name."""
    (output,) = fluent_bit["pipeline"]["outputs"]
    assert f"{output['host']}:{output['port']}" == Settings().ingest
    assert output["uri"] == names.INGEST_PATH
    assert (output["name"], output["format"]) == ("http", "json_lines")
    assert (output["compress"], output["retry_limit"]) == ("gzip", "no_limits")
    (header,) = output["header"]
    assert header.split(" ", 2)[:2] == ["Authorization", "Bearer"]
    (source,) = fluent_bit["pipeline"]["inputs"]
    assert source["parser"] in [one["name"] for one in fluent_bit["parsers"]]
    assert source["storage.type"] == "filesystem"
    for one in (*fluent_bit["pipeline"]["filters"], output):
        assert one["match"] == source["tag"]
    event = of_fluent_bit(fluent_bit, logged() | {"session_id": "s-92"}) | {"occurred_at": None}
    post(exporter, json.dumps(event) + "\n", "application/x-ndjson")
    assert counted() == 1


def post(exporter: ExporterProcess, body: str, media_type: str) -> None:
    """Twice, as a forwarder that was restarted: one end."""
    headers = {
        "Content-Type": media_type,
        "Content-Encoding": "gzip",
        "Authorization": f"Bearer {TOKEN}",
    }
    for accepted in (1, 0):
        reply = exporter.request(
            "ingest", "POST", names.INGEST_PATH, gzip.compress(body.encode()), headers
        )
        assert reply.json == {"accepted": accepted, "duplicates": 1 - accepted, "rejected": []}


def test_forwarders_make_the_same_event_of_a_log_line(
    vector: dict[str, Any], fluent_bit: dict[str, Any]
) -> None:
    line = logged()
    event = of_vector(vector, line)
    assert event == of_fluent_bit(fluent_bit, line)
    assert event["id"] == event["session_id"] == line["session_id"]
    assert event["occurred_at"] == line["time"]
    assert event.keys() <= set(Event.__struct_fields__)


def test_settings_for_fluent_bit_are_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (FOLDER / "fluent-bit.yaml").read_text(encoding="utf-8")
    given = dict(re.findall(r"(SESSION_EXPORTER_\w+)=(\w+)", text))
    assert len(given) == 2
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load()
    # A chunk of 2 MB of MessagePack is less than three times that as JSON.
    assert settings.max_body >= 6 * 1024**2
    assert settings.max_events > Settings.model_fields["max_events"].default
