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
        int, typer.Option(metavar="SECONDS", min=0, help="time for the notification to be sent")
    ] = 90,
    config: Config = None,
    taxonomy: Folders = None,
) -> None:
    """Send a test alert to Alertmanager, to see a page arrive.

    The alert has the severity of a page, so it takes the routes, receivers and templates of a page. Its title
    begins with TEST PAGE. Its links come from the settings, so give the command the settings of the exporter.
    It ends by itself after 5 minutes. No session end is counted.

    Its label cluster is new each time: where group_by has cluster, as in the shipped file, the page delays no
    real page. A route for one cluster does not match it.

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
    before = _request("GET", url, "/metrics").text
    _request("POST", url, _ALERTS, json=[alert])
    typer.echo(f"sent: {alert['annotations']['summary']}")
    same = {"filter": f'cluster="{alert["labels"]["cluster"]}"'}
    answers = _request("GET", url, _ALERTS, params=same).json()
    receivers = [item["name"] for answer in answers for item in answer["receivers"]]
    typer.echo(f"receivers: {', '.join(receivers)}")
    if any(answer["status"]["state"] == "suppressed" for answer in answers):
        raise ConfigError("a silence or an inhibition suppresses the page")
    expected = _integrations(url, receivers)
    if not expected:
        raise ConfigError("the receivers have no slack_configs, email_configs or the like")
    typer.echo(f"waiting up to {wait} s for {', '.join(sorted(expected))}")
    undelivered = _undelivered(url, before, expected, wait)
    if delivered := expected.keys() - undelivered:
        typer.echo(f"notified: {', '.join(sorted(delivered))}")
    if undelivered:
        raise ConfigError(
            f"Alertmanager could not notify by {', '.join(sorted(undelivered))}. Look for "
            f'"Notify" in the log of Alertmanager, and for {_NAME} at {url}/#/alerts'
        )


def _integrations(url: str, receivers: list[str]) -> Counter[str]:
    """How many notifications an alert to these receivers causes, by integration (slack, email, …)."""
    import yaml

    config = yaml.safe_load(_request("GET", url, "/api/v2/status").json()["config"]["original"])
    return Counter(
        key.removesuffix("_configs")
        for receiver in config["receivers"]
        for key, blocks in receiver.items()
        if receiver["name"] in receivers and key.endswith("_configs")
        for _ in blocks
    )


def _undelivered(url: str, before: str, expected: Counter[str], wait: float) -> set[str]:
    """The expected integrations with fewer attempts since the metrics `before`, or with a failed attempt.

    Returns soon after the expected attempts, or after `wait` seconds.
    """
    deadline, complete = time.monotonic() + wait, False
    while True:
        new = _attempts(_request("GET", url, "/metrics").text) - _attempts(before)
        missing = expected - new
        if complete or time.monotonic() >= deadline:
            return {*missing, *(name for name in expected if new[f"failed_{name}"])}
        # One more reading: Alertmanager counts a failed attempt after all attempts.
        complete = not missing
        time.sleep(0.5)


def _attempts(metrics: str) -> Counter[str]:
    """All attempts to notify, such as `slack`, and the failed attempts, such as `failed_slack`."""
    counts = Counter[str]()
    for failed, integration, count in _ATTEMPTS.findall(metrics):
        counts[failed + integration] += round(float(count))
    return counts


def _alert(settings: Settings, system: str | None, code: str | None) -> dict[str, Any]:
    """An alert as Prometheus sends it. Raises `ConfigError` for a system or code that no taxonomy has."""
    from exporter.taxonomy.loader import load as load_taxonomy

    systems = load_taxonomy(settings.taxonomy).systems
    now = datetime.now(UTC)
    labels = {"alertname": _NAME, "severity": "page", "signal": "test"}
    # A group of its own. In the group [cluster, system] of a page, this page or the next real page would wait
    # for group_interval.
    labels["cluster"] = f"test-page {now.isoformat()}"
    subject, page, texts = "session-end-exporter", "/alerts", {}
    if system is not None:
        if system not in systems:
            raise ConfigError(f"--system {system!r} is not loaded; loaded are {', '.join(systems)}")
        labels["system"] = subject = system
        if code is not None:
            match = systems[system].match(code)
            if match is systems[system].unknown:
                raise ConfigError(f"--code {code!r}: not in `session-end-exporter codes {system}`")
            labels |= {"code": match.code, "name": match.name, "owner": match.owner.value}
            labels |= {"phase": match.phase, "category": match.category}
            texts = {"causes": match.causes, "fix": match.fix}
            subject, page = f"{match.code} {match.name} on {system}", match.runbook
    elif code is not None:
        raise ConfigError(f"--code {code!r} needs --system: {' or '.join(systems)}")
    texts |= {
        "summary": f"TEST PAGE: {subject}",
        "description": f"Test since {now:%H:%M} UTC: no session failed, and there is nothing to do. "
        f"The alert ends by itself at {now + _LASTS:%H:%M} UTC.",
        "runbook_url": f"{settings.runbooks}{page}",
    }
    if settings.dashboard_url:
        texts["dashboard_url"] = f"{settings.dashboard_url}/d/session-ends"
    # Alertmanager sends an alert that is older than group_wait at once.
    times = {"startsAt": (now - _LASTS).isoformat(), "endsAt": (now + _LASTS).isoformat()}
    return {"labels": labels, "annotations": texts, **times}


def _request(method: str, base: str, path: str, **content: Any) -> "httpx.Response":
    """An answer of Alertmanager. Raises `ConfigError` with URL and remedy."""
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        answer = httpx.request(method, base + path, timeout=10, **content)
        if answer.is_success:
            return answer
        fault = f"HTTP {answer.status_code} {answer.reason_phrase}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        fault = str(error).rstrip(".")
    raise ConfigError(
        f"--alertmanager {base!r}: {fault}. Give the address on which Alertmanager listens, with its "
        "--web.route-prefix if it has one"
    )
