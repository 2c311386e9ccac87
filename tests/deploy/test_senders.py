"""deploy/senders: each program against a real exporter, over a bad network."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from exporter import names
from exporter.settings import Settings
from tests.deploy.kubernetes.conftest import settings_of
from tests.deploy.lossy import LossyProxy, lost, no_answer, no_request, refused
from tests.deploy.test_docs import blocks
from tests.e2e.exporter_process import ROOT, ExporterProcess, Reply, wait_for
from tests.faulty_server import Fault
from tests.programs import finished, output
from tests.test_readme import shown

FOLDER = ROOT / "deploy" / "senders"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
TOKEN = "0123456789abcdef0123456789abcdef"
PROGRAMS = ("send.sh", "send.py", "send.mjs", "send.go")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of send.go. It needs only the standard library, and no C compiler."""
    program = tmp_path_factory.mktemp("go") / "send"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    output("go", "build", "-o", program, FOLDER / "send.go", env=environment, timeout=300)
    return program


@pytest.fixture(params=PROGRAMS)
def command(request: pytest.FixtureRequest) -> list[str]:
    """The command that starts each program."""
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


class Sender:
    """A sender program, and the count of the code 4001 at the exporter since the test began."""

    def __init__(self, command: list[str], exporter: ExporterProcess) -> None:
        self._command = command
        self._exporter = exporter
        self._before = self._total()
        self.port = exporter.ports["ingest"]
        self.url = f"http://127.0.0.1:{self.port}{names.INGEST_PATH}"
        self.end = ("streampixel", "4001", f"s-{uuid.uuid4()}")
        """The arguments for an end that only this test sends."""

    def _total(self) -> float:
        return self._exporter.total(names.SESSION_ENDS, system="streampixel", code="4001")

    @property
    def counted(self) -> float:
        return self._total() - self._before

    def run(
        self, *arguments: str, url: str = "", token: str = TOKEN
    ) -> subprocess.CompletedProcess[str]:
        environment = self._environment(url or self.url, token)
        return finished(*self._command, *arguments, env=environment, timeout=60)

    def kill_while_waiting(self, fault: Fault, folder: Path, *arguments: str) -> None:
        """Starts the program, which gets two answers, and kills it at its third request."""
        with LossyProxy(self.port, None, None, fault) as network:
            # A process group of its own: send.sh starts other programs.
            process = subprocess.Popen(
                [*self._command, *arguments],
                env={**self._environment(network.url, TOKEN), "TMPDIR": str(folder)},
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                wait_for(network.waiting.is_set, what="the request without an answer")
                assert process.poll() is None
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            assert process.returncode == -signal.SIGKILL

    def _environment(self, url: str, token: str) -> dict[str, str]:
        return {**os.environ, "SESSION_ENDS_URL": url, "SESSION_ENDS_TOKEN": token}


@pytest.fixture
def sender(command: list[str], exporter: ExporterProcess) -> Sender:
    return Sender(command, exporter)


def answers(done: subprocess.CompletedProcess[str]) -> list[tuple[int, int]]:
    """The numbers of accepted and duplicate events in each answer."""
    assert done.returncode == 0, done.stderr
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [reply["rejected"] for reply in replies] == [[]] * len(replies)
    return [(reply["accepted"], reply["duplicates"]) for reply in replies]


def test_readme_lists_every_sender() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert files == {*PROGRAMS, "vector.toml", "fluent-bit.yaml", *PAYLOADS}
    assert set(re.findall(r"^\| \[([\w.-]+)\]\(\1\) \|", README, re.MULTILINE)) == files


def test_end_is_retried_after_lost_answer_and_503_and_counts_once(sender: Sender) -> None:
    """Fails when a sender gives up, or uses a new id for another attempt."""
    with LossyProxy(sender.port, lost, refused) as network:
        assert answers(sender.run(*sender.end, url=network.url)) == [(0, 1)]
    assert len(network.bodies) == 3
    assert len(set(network.bodies)) == 1
    assert sender.counted == 1


def test_date_in_retry_after_leaves_the_senders_own_waits(sender: Sender) -> None:
    def dated(handler: Any) -> None:
        # curl waits until the date.
        handler.answer(503, {}, retry_after=formatdate(time.time() + 1, usegmt=True))

    began = time.monotonic()
    with LossyProxy(sender.port, dated, dated, dated) as network:
        assert answers(sender.run(*sender.end, url=network.url)) == [(1, 0)]
    # At least 0.25, 0.5 and 1 s, with the shortest jitter.
    assert time.monotonic() - began >= 1.75


def test_session_with_quotes_is_counted(sender: Sender) -> None:
    for session in (f'{sender.end[2]}"\\', f"{sender.end[2]}%s"):
        assert answers(sender.run(*sender.end[:2], session)) == [(1, 0)]
    assert sender.counted == 2


def test_conflict_fails_after_the_other_ends_are_sent(sender: Sender) -> None:
    system, code, session = sender.end
    assert sender.run(system, "4005", session).returncode == 0
    done = sender.run(system, code, session, f"{session}-2")
    assert (done.returncode, sender.counted) == (1, 1)
    assert "conflict" in done.stdout


def test_killed_and_repeated_sender_counts_every_end_once(sender: Sender, tmp_path: Path) -> None:
    """The sender is killed twice: before its third end arrives, and after that end is counted but not
    answered. Fails when a sender creates new ids at each run."""
    ends = (*sender.end[:2], *(f"{sender.end[2]}-{number}" for number in range(5)))
    sender.kill_while_waiting(no_request, tmp_path, *ends)
    assert sender.counted == 2
    sender.kill_while_waiting(no_answer, tmp_path, *ends)
    assert sender.counted == 3
    assert answers(sender.run(*ends)) == [(0, 1)] * 3 + [(1, 0)] * 2
    assert sender.counted == 5


@pytest.mark.parametrize(
    ("arguments", "token", "requests", "code", "message"),
    [
        (("streampixel", "4001"), TOKEN, 0, 2, "SESSION_ID..."),
        (("nosuchsystem", "1", "s-1"), TOKEN, 1, 1, "unknown_system"),
        (("streampixel", "4001", "s-1"), "wrong", 1, 1, "unauthorized"),
    ],
    ids=["usage", "rejected", "wrong-token"],
)
def test_error_is_reported_and_not_retried(
    sender: Sender, arguments: tuple[str, ...], token: str, requests: int, code: int, message: str
) -> None:
    with LossyProxy(sender.port) as network:
        done = sender.run(*arguments, url=network.url, token=token)
    assert len(network.bodies) == requests
    assert done.returncode == code
    assert message in done.stdout + done.stderr
    assert sender.counted == 0


def test_readme_commands_print_the_shown_output(tmp_path: Path) -> None:
    (block,) = blocks(README, "console")
    examples = [*shown(block)]
    assert len(examples) == 2
    with ExporterProcess(tmp_path / "data") as running:
        for example in examples:
            command = example.command.replace(
                Settings().ingest, f"127.0.0.1:{running.ports['ingest']}"
            )
            assert output("sh", "-c", command, cwd=ROOT).strip() == example.output.strip(), command


# --- forwarders, whose configuration is read: Debian has no package of them -----------------------


PAYLOADS: dict[str, Any] = json.loads((ROOT / "tests/deploy/payloads.json").read_text("utf-8"))
"""The OTLP request of each forwarder, as JSON."""
VECTOR: dict[str, Any] = tomllib.loads((FOLDER / "vector.toml").read_text(encoding="utf-8"))
FLUENT_BIT: dict[str, Any] = yaml.safe_load((FOLDER / "fluent-bit.yaml").read_text("utf-8"))
FIELDS = {
    "id": "session_id",
    "system": "system",
    "code": "code",
    "session_id": "session_id",
    "occurred_at": "time",
}
"""The key in a log line for each field of an event."""


def forward(exporter: ExporterProcess, path: str, media: str, body: bytes) -> Reply:
    headers = {
        "Content-Type": media,
        "Content-Encoding": "gzip",
        "Authorization": f"Bearer {TOKEN}",
    }
    return exporter.request("ingest", "POST", path, gzip.compress(body), headers)


@pytest.mark.parametrize("name", PAYLOADS)
def test_forwarded_log_line_is_one_end_in_its_series(exporter: ExporterProcess, name: str) -> None:
    """The requests are made from the log line in the README. That of the Collector was recorded, the others
    were written by hand; the next test compares them with the configurations."""
    before = exporter.total(names.SESSION_ENDS, system="streampixel", code="4001")
    now = datetime.now(UTC).replace(microsecond=0)
    text = json.dumps(PAYLOADS[name]).replace("2026-11-20T19:00:00Z", now.isoformat())
    text = text.replace("1795201200000000000", f"{now.timestamp():.0f}000000000")
    text = text.replace("sessions/0/42", f"{name}/0/42").replace("s-91", f"s-{name}")
    body = ParseDict(json.loads(text), ExportLogsServiceRequest()).SerializeToString()
    for _ in range(2):
        reply = forward(exporter, names.LOGS_PATH, "application/x-protobuf", body)
        assert (reply.status, reply.body) == (200, b"")
    assert exporter.total(names.SESSION_ENDS, system="streampixel", code="4001") == before + 1


@pytest.mark.parametrize(
    ("name", "assigned"),
    [
        ("collector.yaml", r'(?:field|to): attributes\["(.+)"\]'),
        ("config.alloy", r'set\(log\.attributes\["(.+?)"\]'),
        ("vector-journald.yaml", r'"key": "(.+?)"'),
        ("fluent-bit-kafka.yaml", r'\["(.+)"\] ='),
    ],
)
def test_attributes_of_a_forwarder_are_those_of_its_request(name: str, assigned: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    attributes = re.findall(assigned, text)
    assert {"event.name", "log.record.uid"} <= set(attributes)
    sent = re.findall(r'"key": "(.+?)"', json.dumps(PAYLOADS[name]))
    assert set(attributes) <= set(sent)
    assert set(re.findall(r"127\.0\.0\.1:(?!9092)\d+", text)) <= {Settings().ingest}


def test_otlp_forwarders_retry_forever_within_the_limits_of_the_exporter() -> None:
    collector, vector, fluent_bit = (
        yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("collector", "vector-journald", "fluent-bit-kafka")
    )
    otlp = collector["exporters"]["otlp_http"]
    assert otlp["retry_on_failure"] == {"max_elapsed_time": 0}
    assert otlp["sending_queue"] == {"enabled": False}, "positions would advance too early"
    sink = vector["sinks"]["exporter"]
    assert sink["acknowledgements"] == {"enabled": True}
    assert sink["protocol"]["uri"].endswith(names.LOGS_PATH)
    assert "retry_attempts" not in sink["protocol"]["request"], "the default is to retry forever"
    (output,) = fluent_bit["pipeline"]["outputs"]
    assert f"{output['host']}:{output['port']}" == Settings().ingest
    assert (output["logs_uri"], output["retry_limit"]) == (names.LOGS_PATH, "no_limits")
    sizes = sink["protocol"]["batch"]["max_events"], output["batch_size"]
    assert max(sizes) <= Settings().max_events
    alloy = (FOLDER / "config.alloy").read_text(encoding="utf-8")
    assert re.search(r"sending_queue {\s+enabled = false", alloy), (
        "it would commit offsets too early"
    )
    assert re.search(r'retry_on_failure {\s+max_elapsed_time = "0s"', alloy)


@pytest.mark.parametrize("media", ["application/json", "application/x-ndjson"])
def test_forwarded_event_counts_once(exporter: ExporterProcess, media: str) -> None:
    """Vector posts an array as application/json, Fluent Bit json_lines as application/x-ndjson."""
    (line,) = blocks(README, "json")
    event = {name: json.loads(line)[key] for name, key in FIELDS.items()}
    event |= {"id": media, "occurred_at": None}
    body = json.dumps([event] if media == "application/json" else event).encode()
    for accepted in (1, 0):
        reply = forward(exporter, names.INGEST_PATH, media, body)
        assert reply.json == {"accepted": accepted, "duplicates": 1 - accepted, "rejected": []}


def test_vector_makes_events_and_retries_forever_within_the_limits_of_the_exporter() -> None:
    source = VECTOR["transforms"]["ends"]["source"]
    assert dict(re.findall(r'"(\w+)": line\.(\w+)', source)) == FIELDS
    assert 'if line.event != "session_end" { abort }' in source
    sink = VECTOR["sinks"]["exporter"]
    assert sink["uri"] == f"http://{Settings().ingest}{names.INGEST_PATH}"
    assert sink["batch"]["max_events"] <= Settings().max_events
    assert sink["batch"]["max_bytes"] <= Settings().max_body // 2
    assert sink["acknowledgements"] == {"enabled": True}
    assert "retry_attempts" not in sink["request"], "the default is to retry forever"


def test_fluent_bit_makes_events_and_retries_forever_from_its_disk() -> None:
    grep, keep, modify = FLUENT_BIT["pipeline"]["filters"]
    assert grep["regex"] == "event ^session_end$"
    assert set(keep["allowlist_key"]) == set(FIELDS.values())
    assert (modify["copy"], modify["rename"]) == ("session_id id", "time occurred_at")
    (source,), (output,) = (FLUENT_BIT["pipeline"][name] for name in ("inputs", "outputs"))
    address = f"{output['host']}:{output['port']}{output['uri']}"
    assert address == Settings().ingest + names.INGEST_PATH
    assert (output["format"], output["retry_limit"]) == ("json_lines", "no_limits")
    assert source["storage.type"] == "filesystem"


def test_settings_for_fluent_bit_are_valid() -> None:
    text = (FOLDER / "fluent-bit.yaml").read_text(encoding="utf-8")
    variables = dict(re.findall(r"(SESSION_EXPORTER_\w+)=(\w+)", text))
    assert len(variables) == 2
    settings = settings_of(variables)
    # A chunk of 2 MB of MessagePack is less than three times that as JSON.
    assert settings.max_body >= 6 * 1024**2
    assert settings.max_events > Settings.model_fields["max_events"].default
