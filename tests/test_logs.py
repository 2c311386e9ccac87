"""What a line of the log looks like, and how few a flood makes."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog
from structlog.testing import capture_logs

from exporter.logs import Log, Sampler, configure, lost_lines

Lines = Callable[[], list[dict[str, Any]]]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    handlers = list(logging.getLogger().handlers)
    configure("info")

    def read() -> list[dict[str, Any]]:
        got = capsys.readouterr()
        assert not got.out
        assert got.err.isascii()
        return [json.loads(line) for line in got.err.splitlines()]

    yield read
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def test_a_line_is_one_json_object_on_stderr(lines: Lines) -> None:
    Log("exporter.test").warning("something happened", count=3, ratio=0.5, ok=True, none=None)
    [line] = lines()
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]
    stamp = line.pop("timestamp")
    assert len(stamp) == len("2026-11-20T19:00:00.123456Z")
    assert stamp.endswith("Z")
    assert line == {
        "level": "warning",
        "event": "something happened",
        "logger": "exporter.test",
        "count": 3,
        "ratio": 0.5,
        "ok": True,
        "none": None,
    }


def test_lines_below_the_level_are_left_out(lines: Lines) -> None:
    log = Log("test")
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)(level)
    assert [line["event"] for line in lines()] == ["info", "warning", "error"]
    configure("error")
    log.warning("kept back")
    assert not lines()


def test_text_of_senders_is_cut_and_cannot_start_a_line(lines: Lines) -> None:
    """Fails without `_tidy`, and with a renderer that is not JSON."""
    Log("test").warning("bad", value='\n{"level": "error"}\x1b[31m\u202e\ud800' + "x" * 1000)
    [line] = lines()
    assert len(line["value"]) == 201
    assert line["value"].startswith('\n{"level"')


def test_objects_are_logged_as_cut_text(lines: Lines) -> None:
    Log("test").warning("bad", path=Path("/a"), many=["x"] * 1000)
    [line] = lines()
    assert line["path"] == "/a"
    assert len(line["many"]) == 201


def test_warnings_of_other_libraries_come_out_alike(lines: Lines) -> None:
    """Fails without `_Relay`."""
    logging.getLogger("uvicorn.error").warning("odd %s", "thing")
    logging.getLogger("asyncio").error("worse")
    logging.getLogger("uvicorn.error").info("chatter")
    got = [(line["level"], line["event"], line["logger"]) for line in lines()]
    assert got == [("warning", "odd thing", "uvicorn.error"), ("error", "worse", "asyncio")]


def test_a_traceback_is_in_the_line_of_its_error(lines: Lines) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    [line] = lines()
    assert line["event"] == "Exception in ASGI application"
    assert line["exception"].endswith("ValueError: why")


def test_configuring_twice_does_not_double_the_lines(lines: Lines) -> None:
    configure("info")
    logging.getLogger("asyncio").error("once")
    assert len(lines()) == 1


def test_an_unconfigured_log_does_not_write_to_stdout() -> None:
    """Fails without the check in `_emit`: structlog prints to stdout, into `render`'s output."""
    code = "from exporter.logs import Log; Log('a').info('hello')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout
    assert json.loads(done.stderr)["event"] == "hello"


def closed() -> TextIO:
    stream = io.StringIO()
    stream.close()
    return stream


def full() -> TextIO:
    return Path("/dev/full").open("w")


@pytest.mark.parametrize("stderr", [lambda: None, closed, full], ids=["none", "closed", "full"])
def test_a_line_that_cannot_be_written_is_counted_and_raises_nothing(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, stderr: Callable[[], TextIO | None]
) -> None:
    """Fails without the `except` in `_emit`, and without the count there."""
    before = lost_lines()
    stream = stderr()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        Log("test").error("lost")
        logging.getLogger("uvicorn.error").error("lost too")
    assert lost_lines() == before + 2
    Log("test").error("written")
    assert [line["event"] for line in lines()] == ["written"]
    if stream is not None:
        with suppress(OSError):
            stream.close()


def test_a_record_whose_arguments_do_not_fit_is_logged_as_it_stands() -> None:
    """Fails when `_Relay` lets the error of the formatting out."""
    code = (
        "import logging; from exporter.logs import configure; configure('info')\n"
        "logging.getLogger('a').error('odd %d', 'thing')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr)["event"] == "odd %d"


def test_configuring_imports_what_a_line_needs() -> None:
    """An import at the first line fails where no file descriptor is left. Fails when `configure` puts
    structlog off."""
    code = (
        "import sys; from exporter.logs import configure; configure('info'); before = set(sys.modules)\n"
        "from exporter.logs import Log\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: Log('a').error('hello', exc_info=True)\n"
        "sys.exit(' '.join(set(sys.modules) - before) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_importing_the_module_does_not_import_structlog() -> None:
    code = "import sys, exporter.logs; sys.exit('structlog' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_flood_of_one_reason_is_logged_a_few_times_and_then_counted() -> None:
    """Fails without the sampler: a flood of refusals fills the disk the ledger is on."""
    clock = Clock()
    sampler = Sampler(Log("test"), clock, first=2)
    with capture_logs() as got:
        for number in range(10):
            sampler.warning("flood", "refused", number=number)
        sampler.warning("rare", "refused", number=99)
    assert [line["number"] for line in got] == [0, 1, 99]
    clock.now += 59
    with capture_logs() as got:
        sampler.warning("flood", "refused", number=10)
    assert not got
    clock.now += 1
    with capture_logs() as got:
        sampler.warning("flood", "refused", number=11)
    assert [(line["event"], line["reason"], line.get("suppressed")) for line in got] == [
        ("suppressed", "flood", 9),
        ("refused", "flood", None),
    ]


def test_what_was_kept_back_is_logged_at_the_end() -> None:
    sampler = Sampler(Log("test"), Clock(), first=1)
    with capture_logs() as got:
        for _ in range(3):
            sampler.warning("flood", "refused")
        sampler.flush()
        sampler.flush()
    assert [line.get("suppressed") for line in got] == [None, 2]


def test_reasons_are_remembered_up_to_a_bound() -> None:
    sampler = Sampler(Log("test"), Clock(), first=1)
    with capture_logs() as got:
        for number in range(1000):
            sampler.warning(f"reason {number}", "refused")
    assert len(got) == 65
