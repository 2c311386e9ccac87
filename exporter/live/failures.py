"""Why a question to the platform's API had no answer."""

from typing import Final

REASONS: Final = (
    "timeout",
    "connection",
    "unauthorized",
    "not_found",
    "throttled",
    "server_error",
    "bad_answer",
    "internal",
)
"""Nothing in time; no connection, or no TLS; 401 and 403; 404; 429; 5xx; anything else that is not what
the documentation says; a defect of ours."""


class Failure(Exception):
    """`reason` is one of `REASONS`; the text is for the log and never has the key in it.

    `retry_after` is how many seconds the platform wants to be left alone, 0 when it does not say.
    """

    def __init__(self, reason: str, detail: str, retry_after: float = 0.0) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after
