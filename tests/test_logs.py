"""Row 26 of the fault table: the format of log lines, lost lines, and the number of lines in a flood."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from exporter.logs import Log, Sampler, configure, lost_lines
from tests.clock import Clock
from tests.programs import output

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    handlers = list(logging.getLogger().handlers)
    configure("info")

    def read() -> list[dict[str, Any]]:
        captured = capsys.readouterr()
        assert not captured.out
        assert captured.err.isascii()
        return [json.loads(line) for line in captured.err.splitlines()]

    yield read
    logging.getLogger().handlers[:] = handlers
    logging.getLogger("exporter").setLevel(logging.NOTSET)


def test_line_is_a_json_object_on_stderr_with_short_texts(lines: Lines) -> None:
    """Fails without `_short`, and when a text can start a line."""
    text = '\n{"level": "error"}\x1b[31m\u202e\ud800' + "x" * 1000
    fields = {"count": 3, "ok": True, "none": None, "path": Path("/a")}
    Log("exporter.test").warning("100 % done", **fields, value=text, many=["x"] * 1000)
    [line] = lines()
    assert line.pop("value") == text[:200] + "…"
    assert len(line.pop("many")) == 201
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]
    assert len(line.pop("timestamp")) == len("2026-11-20T19:00:00.123456Z")
    assert line == {
        "level": "warning",
        "event": "100 % done",
        "logger": "exporter.test",
        "count": 3,
        "ok": True,
        "none": None,
        "path": "/a",
    }


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    log = Log("exporter.test")
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)(level)
    assert [line["event"] for line in lines()] == ["info", "warning", "error"]
    configure("error")
    log.warning("suppressed")
    assert not lines()


def test_warnings_of_libraries_have_the_same_format(lines: Lines) -> None:
    """Fails when `configure` does not add the handler to the root logger, or adds it twice."""
    configure("info")
    logging.getLogger("uvicorn.error").warning("odd %s", "thing")
    logging.getLogger("uvicorn.error").info("chatter")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
        Log("exporter.test").error("defect", exc_info=True)
    warning, exception, own = lines()
    assert (warning["level"], warning["event"]) == ("warning", "odd thing")
    assert exception["event"] == "Exception in ASGI application"
    assert exception["exception"].endswith("ValueError: why")
    assert own["exception"] == exception["exception"]


@pytest.mark.parametrize("stderr", ["none", "closed", "full"])
def test_line_that_can_not_be_written_is_counted_and_raises_nothing(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, stderr: str
) -> None:
    """Fails without the `except` in `_Stderr.emit`, and without the count there."""
    before = lost_lines()
    # Python flushes again when it closes the file.
    with suppress(OSError), Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        if stderr == "closed":
            full.close()
        patch.setattr(sys, "stderr", None if stderr == "none" else full)
        Log("exporter.test").error("lost")
        logging.getLogger("uvicorn.error").error("lost too")
    assert lost_lines() == before + 2
    Log("exporter.test").error("written")
    assert [line["event"] for line in lines()] == ["written"]


def test_line_imports_nothing() -> None:
    """Fails when the first line imports a module: without a free file descriptor the import would fail."""
    code = (
        "import sys; from exporter.logs import Log, configure\n"
        "configure('info'); before = set(sys.modules)\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: Log('exporter').error('hello', exc_info=True)\n"
        "assert set(sys.modules) == before, set(sys.modules) - before"
    )
    output(sys.executable, "-c", code)


def test_flood_of_a_reason_is_logged_a_few_times_and_then_counted(lines: Lines) -> None:
    """Fails without the sampler: a flood of refusals fills the ledger's disk."""
    clock = Clock()
    sampler = Sampler(Log("exporter.test"), clock)
    for number in range(10):
        sampler.warning("flood", "refused", number=number)
    sampler.warning("rare", "refused", number=99)
    logged = [(line["reason"], line["number"]) for line in lines()]
    assert logged == [*(("flood", number) for number in range(5)), ("rare", 99)]
    clock.now += 59
    sampler.warning("flood", "refused")
    assert not lines()
    clock.now += 1
    for _ in range(7):
        sampler.warning("flood", "refused")
    sampler.flush()
    sampler.flush()
    suppressed, *later, last = [(line["event"], line.get("suppressed")) for line in lines()]
    assert suppressed == ("suppressed", 6)
    assert later == [("refused", None)] * 5
    assert last == ("suppressed", 2)
