import logging
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from exporter.commands.options import Config, Folders
from exporter.errors import ConfigError
from exporter.settings import Settings, load

if TYPE_CHECKING:
    import httpx

_ALERTS: Final = "/api/v2/alerts"
_NAME: Final = "SessionEndTestPage"
_LASTS: Final = timedelta(minutes=5)
_OTHER_INTEGRATIONS: Final = 2.0
"""Seconds to wait, after the first attempt, for the attempts of the receiver's other integrations."""
_ATTEMPTS: Final = re.compile(
    r'^alertmanager_notification_requests_(failed_)?total\{.*?integration="(\w+)".*\} (\S+)$', re.M
)


def send_test_page(
    alertmanager: Annotated[str, typer.Option(metavar="URL", help="base URL of Alertmanager")],
    system: Annotated[str | None, typer.Option(metavar="NAME", help="system of the alert")] = None,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="code of the alert; needs --system")
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="time for the notification to be sent")
    ] = 90,
    config: Config = None,
    taxonomy: Folders = None,
) -> None:
    """Send a test alert to Alertmanager, to see a page arrive.

    The alert has the severity of a page, so it takes the routes, receivers and templates of a page. Its title
    begins with TEST PAGE. It ends by itself after 5 minutes. No session end is counted.

    Waits for the notification. Exits with 1 when Alertmanager does not accept the alert, and when it could
    not send the notification, for example because the file of a secret is missing.

    \b
    Examples:
      session-end-exporter test-page --alertmanager http://127.0.0.1:9093
      session-end-exporter test-page --alertmanager http://127.0.0.1:9093 \\
        --system streampixel --code 4001
    """
    alert = _alert(load(config, taxonomy=taxonomy), system, code)
    url = alertmanager.rstrip("/")
    before = _attempts(url)
    _request("POST", f"{url}{_ALERTS}", json=[alert])
    typer.echo(f"sent: {alert['annotations']['summary']}")
    suppressed = False
    for answer in _request(
        "GET", f"{url}{_ALERTS}", params={"filter": f'alertname="{_NAME}"'}
    ).json():
        if answer["labels"] == alert["labels"]:
            typer.echo(f"receivers: {', '.join(item['name'] for item in answer['receivers'])}")
            suppressed = answer["status"]["state"] == "suppressed"
    typer.echo(
        f"The alert ends at {alert['endsAt'][11:16]} UTC. Until then, the same command sends no further page."
    )
    if suppressed:
        raise ConfigError("a silence or an inhibition suppresses the page")
    typer.echo("waiting for the group_wait of the route (shipped file: 40 s)")
    made, failed = _new_attempts(url, before, wait)
    hints = f'Look for "Notify" in the log of Alertmanager, and for {_NAME} at {url}/#/alerts'
    if not made:
        raise ConfigError(f"Alertmanager sent no notification within {wait:g} s. {hints}")
    if delivered := [name for name in made if made[name] > failed[name]]:
        typer.echo(f"notified: {', '.join(sorted(delivered))}")
    if undelivered := sorted(made.keys() - delivered):
        raise ConfigError(f"Alertmanager could not notify by {', '.join(undelivered)}. {hints}")


def _attempts(url: str) -> tuple[Counter[str], Counter[str]]:
    """All notification attempts and the failed ones, by integration (slack, email, …)."""
    made, failed = Counter[str](), Counter[str]()
    for failure, integration, count in _ATTEMPTS.findall(_request("GET", f"{url}/metrics").text):
        (failed if failure else made)[integration] += round(float(count))
    return made, failed


def _new_attempts(
    url: str, before: tuple[Counter[str], Counter[str]], wait: float
) -> tuple[Counter[str], Counter[str]]:
    """The attempts since `before`: returned soon after the first one, or empty after `wait` seconds."""
    deadline = time.monotonic() + wait
    while True:
        made, failed = (now - then for now, then in zip(_attempts(url), before, strict=True))
        if time.monotonic() >= deadline:
            return made, failed
        if made:
            deadline = min(deadline, time.monotonic() + _OTHER_INTEGRATIONS)
        time.sleep(0.5)


def _alert(settings: Settings, system: str | None, code: str | None) -> dict[str, Any]:
    """An alert as Prometheus sends it. Raises `ConfigError` for a system or code that no taxonomy has."""
    from exporter.taxonomy.loader import load as load_taxonomy

    systems = load_taxonomy(settings.taxonomy).systems
    if system is not None and system not in systems:
        raise ConfigError(f"--system {system!r} is not loaded; loaded are {', '.join(systems)}")
    labels = {"alertname": _NAME, "severity": "page", "signal": "test"}
    labels |= {"system": system} if system else {}
    subject, page, texts = system or "session-end-exporter", "/alerts", {}
    dashboard = "session-ends"
    if code is not None:
        if system is None:
            raise ConfigError(f"--code {code!r} needs --system: {' or '.join(systems)}")
        match = systems[system].match(code)
        if match is systems[system].unknown:
            raise ConfigError(f"--code {code!r}: not in `session-end-exporter codes {system}`")
        labels |= {"code": match.code, "name": match.name, "owner": match.owner.value}
        labels |= {"phase": match.phase, "category": match.category}
        texts = {"causes": match.causes, "fix": match.fix}
        subject, page = f"{match.code} {match.name} on {system}", match.runbook
        # The same link as in the alerts of the code.
        dashboard = f"session-end-code?var-system={system}&var-code={match.code}"
    now = datetime.now(UTC)
    texts |= {
        "summary": f"TEST PAGE: {subject}",
        "description": "This is a test: no session failed, and there is nothing to do. "
        f"The alert ends by itself at {now + _LASTS:%H:%M} UTC.",
        "runbook_url": f"{settings.runbooks}{page}",
    }
    if settings.dashboard_url:
        texts["dashboard_url"] = f"{settings.dashboard_url}/d/{dashboard}"
    times = {"startsAt": now.isoformat(), "endsAt": (now + _LASTS).isoformat()}
    return {"labels": labels, "annotations": texts, **times}


def _request(method: str, url: str, **content: Any) -> "httpx.Response":
    """An answer of Alertmanager. Raises `ConfigError` with URL and remedy."""
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        answer = httpx.request(method, url, timeout=10, **content)
        if answer.is_success:
            return answer
        fault = f"HTTP {answer.status_code} {answer.reason_phrase}"
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        fault = "not a URL such as http://127.0.0.1:9093"
    except (httpx.HTTPError, ValueError) as error:
        fault = str(error)
    base = url.removesuffix(_ALERTS).removesuffix("/metrics")
    raise ConfigError(
        f"--alertmanager {base!r}: {fault}. Give the address on which Alertmanager listens, with its "
        "--web.route-prefix if it has one"
    )
