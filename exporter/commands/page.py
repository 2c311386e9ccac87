"""`test-page`."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from exporter.commands.options import Config, Folders
from exporter.errors import ConfigError
from exporter.settings import Settings, load

_NAME: Final = "SessionEndTestPage"
_LASTS: Final = timedelta(minutes=5)


def send_test_page(
    alertmanager: Annotated[str, typer.Option(metavar="URL", help="base URL of Alertmanager")],
    system: Annotated[str | None, typer.Option(metavar="NAME", help="system of the alert")] = None,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="code of the alert; needs --system")
    ] = None,
    config: Config = None,
    taxonomy: Folders = None,
) -> None:
    """Send a test alert to Alertmanager, to see a page arrive.

    The alert has the severity of a page, so it takes the routes, receivers and templates of a page. Its title
    begins with TEST PAGE. It ends by itself after 5 minutes. No session end is counted.

    Exits with 1 when Alertmanager does not accept the alert.

    \b
    Examples:
      session-end-exporter test-page --alertmanager http://127.0.0.1:9093
      session-end-exporter test-page --alertmanager http://127.0.0.1:9093 \\
        --system streampixel --code 4001
    """
    alert = _alert(load(config, taxonomy=taxonomy), system, code)
    url = alertmanager.rstrip("/")
    _request("POST", url, json=[alert])
    typer.echo(f"sent: {alert['annotations']['summary']}")
    for answer in _request("GET", url, params={"filter": f'alertname="{_NAME}"'}):
        if answer["labels"] == alert["labels"]:
            typer.echo(f"receivers: {', '.join(item['name'] for item in answer['receivers'])}")
            if answer["status"]["state"] == "suppressed":
                typer.echo("warning: a silence or an inhibition suppresses the page", err=True)
    typer.echo(
        f"""\
The page is sent after the group_wait of its route (shipped file: 40 s).
The alert ends at {alert["endsAt"][11:16]} UTC; "Resolved" follows within group_interval (10 min).
Until then, the same command sends no further page.
No page? Look for {_NAME} at {url}/#/alerts,
for "Notify for alerts failed" in the log of Alertmanager,
and for alertmanager_notifications_failed_total at {url}/metrics."""
    )


def _alert(settings: Settings, system: str | None, code: str | None) -> dict[str, Any]:
    """An alert as Prometheus sends it. Raises `ConfigError` for a system or code that no taxonomy has."""
    from exporter.taxonomy.loader import load as load_taxonomy

    systems = load_taxonomy(settings.taxonomy).systems
    if system is not None and system not in systems:
        raise ConfigError(f"--system {system!r} is not loaded; loaded are {', '.join(systems)}")
    if code is not None and system is None:
        raise ConfigError(f"--code {code!r} needs --system: {' or '.join(systems)}")
    labels = {"alertname": _NAME, "severity": "page", "signal": "test"}
    labels |= {"system": system} if system else {}
    subject, page, texts = system or "session-end-exporter", "/alerts", {}
    if system and code is not None:
        match = systems[system].match(code)
        if match is systems[system].unknown:
            raise ConfigError(f"--code {code!r}: not in `session-end-exporter codes {system}`")
        labels |= {"code": match.code, "name": match.name, "owner": match.owner.value}
        labels |= {"phase": match.phase, "category": match.category}
        texts = {"causes": match.causes, "fix": match.fix}
        subject, page = f"{match.code} {match.name} on {system}", match.runbook
    now = datetime.now(UTC)
    texts |= {
        "summary": f"TEST PAGE: {subject}",
        "description": "This is a test: no session failed, and there is nothing to do. "
        f"The alert ends by itself at {now + _LASTS:%H:%M} UTC.",
        "runbook_url": f"{settings.runbooks}{page}",
    }
    times = {"startsAt": now.isoformat(), "endsAt": (now + _LASTS).isoformat()}
    return {"labels": labels, "annotations": texts, **times}


def _request(method: str, url: str, **content: Any) -> Any:
    """An answer of Alertmanager's API for alerts. Raises `ConfigError` with URL and remedy."""
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        answer = httpx.request(method, f"{url}/api/v2/alerts", timeout=10, **content)
        if answer.is_success:
            return answer.json() if method == "GET" else None
        fault = f"HTTP {answer.status_code} {answer.reason_phrase}"
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        fault = "not a URL such as http://127.0.0.1:9093"
    except (httpx.HTTPError, ValueError) as error:
        fault = str(error) or type(error).__name__
    raise ConfigError(
        f"--alertmanager {url!r}: {fault}. Give the address on which Alertmanager listens, with its "
        "--web.route-prefix if it has one"
    )
