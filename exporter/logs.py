"""Logs: one JSON object per line on stderr. No call raises: a line that can't be written is counted."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partialmethod
from typing import Any, Final

if sys.version_info >= (3, 13):
    # `traceback` imports both modules at the first exception, which fails without a free file descriptor.
    import ast  # noqa: F401
    import tokenize  # noqa: F401

_MAX_TEXT: Final = 200
"""Characters of a logged value: a sender's text must not fill the disk."""
_MAX_TRACEBACK: Final = 8000
_MOST_SAMPLED: Final = 5
"""Warnings of a reason per minute."""


def configure(level: str) -> None:
    """Log the exporter's lines from `level` (debug, info, warning or error) on, and warnings of libraries."""
    logging.getLogger("exporter").setLevel(level.upper())
    # A second call adds no second handler.
    logging.getLogger().addHandler(_HANDLER)


def lost_lines() -> int:
    """How many lines could not be written since the process started."""
    return _HANDLER.lost


class Log:
    """The log of one part of the exporter; `name` begins with "exporter".

    Fields are keyword arguments: scalars, never secrets, bodies or headers. Text is cut at 200 characters.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def _log(self, level: int, event: str, *, exc_info: bool = False, **fields: Any) -> None:
        self._logger.log(level, event, exc_info=exc_info, extra={"fields": fields})

    debug = partialmethod(_log, logging.DEBUG)
    info = partialmethod(_log, logging.INFO)
    warning = partialmethod(_log, logging.WARNING)
    error = partialmethod(_log, logging.ERROR)


class Sampler:
    """Logs the first 5 warnings of each reason per minute, and the number of further warnings.

    Reasons come from the closed sets in `errors`, so that their number is limited. The further warnings of a
    minute are logged, as `suppressed`, before the next warning after the minute or by `flush`, which the
    owner calls on shutdown. `clock` counts seconds and never goes back. Not thread-safe.
    """

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._end = 0.0
        self._counts: dict[str, int] = {}

    def warning(self, reason: str, event: str, **fields: Any) -> None:
        """Log `event`, unless the minute has had 5 warnings with this reason."""
        now = self._clock()
        if now >= self._end:
            self.flush()
            self._end = now + 60
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        if count <= _MOST_SAMPLED:
            self._log.warning(event, reason=reason, **fields)

    def flush(self) -> None:
        """Log how many warnings were suppressed, and start a new count."""
        counts, self._counts = self._counts, {}
        for reason, count in counts.items():
            if count > _MOST_SAMPLED:
                self._log.warning("suppressed", reason=reason, suppressed=count - _MOST_SAMPLED)


class _Stderr(logging.Handler):
    """Writes to the current `sys.stderr`: the original stream may be closed by now."""

    lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # A single write, so that lines of two threads do not mix.
            sys.stderr.write(_line(record) + "\n")
            sys.stderr.flush()
        except Exception:
            # A raised error would end the ledger's writer thread, and requests would get no answer.
            self.lost += 1


_HANDLER: Final = _Stderr()


def _line(record: logging.LogRecord) -> str:
    line = {
        "timestamp": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        "level": record.levelname.lower(),
        "event": record.getMessage().strip(),
        "logger": record.name,
        **getattr(record, "fields", {}),
    }
    line = {key: _short(value) for key, value in line.items()}
    if record.exc_info:
        # The end of a traceback names the error; its start is in uvicorn.
        line["exception"] = logging.Formatter().formatException(record.exc_info)[-_MAX_TRACEBACK:]
    return json.dumps(line)


def _short(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
