"""Logs: one JSON object a line on stderr, for people at 3 a.m. and for Loki.

A line that cannot be written is counted and lost: no log call raises, whatever became of stderr.

structlog is imported by `configure`, not with this module: its `dev` module pulls in all of rich (about
two thirds of its import), which `codes` and `check` would pay for without logging.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import Any, Final

MAX_TEXT: Final = 200
"""Characters of a value that are logged: a sender's text must not fill the log's disk."""
MAX_TRACEBACK: Final = 8000
_FIRST: Final = ("timestamp", "level", "event", "logger")
_MAX_REASONS: Final = 64

Clock = Callable[[], float]


def configure(level: str) -> None:
    """Write everything of `level` (debug, info, warning or error) and above to stderr as JSON.

    Lines of the standard library's loggers, uvicorn's and asyncio's among them, come out alike from
    warning up. Calling it again replaces what was set. Nothing is imported at the first line: by then a
    process may have no file descriptor left for it.
    """
    _State.level = level
    _apply()
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Relay)]:
        root.removeHandler(handler)
    root.addHandler(_Relay(logging.WARNING))


def lost_lines() -> int:
    """How many lines could not be written since the process started."""
    return _State.lost


class _State:
    """The level that `configure` was called with last, and the lines that were lost."""

    level = "info"
    lost = 0


def _apply() -> None:
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _tidy,
            structlog.processors.JSONRenderer(serializer=json.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_State.level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )


class Log:
    """Logs events of one part of the exporter, named `name` under the key `logger`.

    Fields are scalars: no secrets, no bodies, no headers. Text is cut at `MAX_TEXT` characters.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, event: str, **fields: Any) -> None:
        _emit("debug", event, self._name, fields)

    def info(self, event: str, **fields: Any) -> None:
        _emit("info", event, self._name, fields)

    def warning(self, event: str, **fields: Any) -> None:
        _emit("warning", event, self._name, fields)

    def error(self, event: str, **fields: Any) -> None:
        _emit("error", event, self._name, fields)


class Sampler:
    """Logs the first `first` warnings of each reason in a window, and how many it kept back.

    `clock` counts seconds and never goes back (`time.monotonic`); windows are `window` seconds long.
    The counts of a window are logged, as `suppressed`, with the first warning after its end, or by
    `flush`, which the owner calls on shutdown. Not for use from several threads.
    """

    def __init__(self, log: Log, clock: Clock, first: int = 5, window: float = 60.0) -> None:
        self._log = log
        self._clock = clock
        self._first = first
        self._window = window
        self._end = 0.0
        self._seen: dict[str, int] = {}

    def warning(self, reason: str, event: str, **fields: Any) -> None:
        """Log `event`, unless `reason` has had its share of the window."""
        now = self._clock()
        if now >= self._end:
            self.flush()
            self._end = now + self._window
        if reason not in self._seen and len(self._seen) >= _MAX_REASONS:
            reason = "other"
        seen = self._seen.get(reason, 0) + 1
        self._seen[reason] = seen
        if seen <= self._first:
            self._log.warning(event, reason=reason, **fields)

    def flush(self) -> None:
        """Log what was kept back since the window began, and begin anew."""
        seen, self._seen = self._seen, {}
        for reason, count in seen.items():
            if count > self._first:
                self._log.warning("suppressed", reason=reason, suppressed=count - self._first)


class _Stderr:
    """Writes lines to the stderr of the moment: one kept from the start may be closed by then."""

    def __init__(self, *_names: object) -> None: ...

    def _write(self, line: str) -> None:
        # One write a line: two threads' lines must not mix.
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = _write


class _Relay(logging.Handler):
    """Hands the standard library's records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        try:
            message = record.getMessage().strip()
        except Exception:
            # Arguments that don't fit: `handleError` would write to stderr on its own, and may raise.
            message = str(record.msg)
        _emit(level, message, record.name, fields)


def _emit(level: str, event: str, name: str, fields: dict[str, Any]) -> None:
    try:
        import structlog

        if not structlog.is_configured():
            # structlog's own default prints to stdout, into the middle of what `codes` prints.
            _apply()
        getattr(structlog.get_logger(), level)(event, logger=name, **fields)
    except Exception:
        # A closed stderr raised in the ledger's error handler: its writer ended, and posts hung.
        _State.lost += 1


def _tidy(_logger: Any, _method: str, line: Any) -> dict[str, Any]:
    ordered = {key: line[key] for key in _FIRST if key in line} | line
    return {key: _short(key, value) for key, value in ordered.items()}


def _short(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    if key == "exception":
        # The end of a traceback names the failure, the beginning only uvicorn.
        return text[-MAX_TRACEBACK:]
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
