"""Parts of the OpenAPI description that several operations have: refusals, servers, security."""

from typing import Any

from exporter.errors import Refused, refusals
from exporter.settings import Settings, base_url


def refused(status: int, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """All refusals of ingest that have this status, but for `without`: reasons that the path has not."""
    kinds: list[type[Refused]] = [
        kind for kind in refusals() if kind.status == status and kind.reason not in without
    ]
    said = "; ".join(f"{kind.title} (`{kind.reason}`)" for kind in kinds)
    return problem(status, f"{said}. Nothing was counted.")


def problem(status: int, said: str) -> dict[str, Any]:
    """An answer of `application/problem+json`, with Retry-After where it has one."""
    made: dict[str, Any] = {
        "description": said,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    if status in (429, 503):
        made["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait before sending the same again.",
                "schema": {"type": "integer", "minimum": 1},
            }
        }
    return made


def security(guarded: bool) -> list[dict[str, list[str]]]:
    """A bearer token, or nothing."""
    return [{"token": []}] if guarded else []


def ingest_server(settings: Settings) -> dict[str, str]:
    """Where senders find this process."""
    return server(settings.ingest, settings.ingest_tls_cert is not None)


def server(listener: str, tls: bool) -> dict[str, str]:
    """A listener on every address is reached by some name that only the operator knows."""
    return {"url": base_url(listener, tls)}
