"""Logs: one JSON object per line on stderr.

A line that can't be written is counted and lost; no log call raises.

`configure` imports structlog, not this module: its `dev` module imports all of rich, for which `codes`
would wait without logging anything.
"""

import json
import logging
import sys
from collections.abc import Callable
from functools import partialmethod
from typing import Any, Final

_MAX_TEXT: Final = 200
"""Characters of a logged value: a sender's text must not fill the disk."""
_MAX_TRACEBACK: Final = 8000
_FIRST: Final = ("timestamp", "level", "event", "logger")

Clock = Callable[[], float]


class _State:
    level = "info"
    lost = 0


def configure(level: str) -> None:
    """Log everything from `level` (debug, info, warning or error) on.

    Records of standard loggers, such as uvicorn's, are logged the same way from warning on. A second call
    replaces the level. Nothing is imported later, when no file descriptor may be left for an import.
    """
    _State.level = level
    _configure_structlog()
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Relay)]:
        root.removeHandler(handler)
    root.addHandler(_Relay(logging.WARNING))


def lost_lines() -> int:
    """How many lines could not be written since the process started."""
    return _State.lost


def _configure_structlog() -> None:
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _shorten,
            structlog.processors.JSONRenderer(serializer=json.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_State.level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )


class Log:
    """The log of one part of the exporter, `name`.

    Fields are scalars, never secrets, bodies or headers. Text is cut at 200 characters.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def _log(self, level: str, event: str, **fields: Any) -> None:
        _emit(level, event, self._name, fields)

    debug = partialmethod(_log, "debug")
    info = partialmethod(_log, "info")
    warning = partialmethod(_log, "warning")
    error = partialmethod(_log, "error")


class Sampler:
    """Logs the first `first` warnings of each reason per window, and how many more there were. Reasons come
    from the closed sets in `errors`, so that their number is limited.

    `clock` counts seconds and never goes back; a window is `window` seconds long. The counts of a window
    are logged, as `suppressed`, with the first warning after it or by `flush`, which the owner calls on
    shutdown. Not thread-safe.
    """

    def __init__(self, log: Log, clock: Clock, first: int = 5, window: float = 60.0) -> None:
        self._log = log
        self._clock = clock
        self._first = first
        self._window = window
        self._end = 0.0
        self._counts: dict[str, int] = {}

    def warning(self, reason: str, event: str, **fields: Any) -> None:
        """Log `event`, unless the window has had `first` warnings with this reason."""
        now = self._clock()
        if now >= self._end:
            self.flush()
            self._end = now + self._window
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        if count <= self._first:
            self._log.warning(event, reason=reason, **fields)

    def flush(self) -> None:
        """Log the suppressed warnings of this window, and start a new count."""
        counts, self._counts = self._counts, {}
        for reason, count in counts.items():
            if count > self._first:
                self._log.warning("suppressed", reason=reason, suppressed=count - self._first)


class _Stderr:
    """structlog's output. It uses the current `sys.stderr`: the first one may be closed by now."""

    def __init__(self, *_names: object) -> None: ...

    def _write(self, line: str) -> None:
        # A single write, so that lines of two threads do not mix.
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = _write


class _Relay(logging.Handler):
    """Logs the records of standard loggers."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        try:
            message = record.getMessage().strip()
        except Exception:
            # Wrong arguments. `handleError` would write to stderr by itself, and may raise.
            message = str(record.msg)
        _emit(level, message, record.name, fields)


def _emit(level: str, event: str, name: str, fields: dict[str, Any]) -> None:
    try:
        import structlog

        if not structlog.is_configured():
            # Otherwise structlog prints to stdout, between the lines of `codes`.
            _configure_structlog()
        getattr(structlog.get_logger(), level)(event, logger=name, **fields)
    except Exception:
        # An error here ended the ledger's writer thread, and requests got no answer.
        _State.lost += 1


def _shorten(_logger: Any, _method: str, line: Any) -> dict[str, Any]:
    ordered = {key: line[key] for key in _FIRST if key in line} | line
    return {key: _short(key, value) for key, value in ordered.items()}


def _short(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    if key == "exception":
        # The end of a traceback names the error; its start is in uvicorn.
        return text[-_MAX_TRACEBACK:]
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
