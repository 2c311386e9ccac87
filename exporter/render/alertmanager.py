"""Alertmanager: who is told of which alert, together with what, how often, and what need not be said."""

from collections.abc import Iterator
from typing import Final

from exporter.names import CODE, OWNER, SYSTEM
from exporter.render.alerts import SEVERITY, SIGNAL
from exporter.render.catalog import PAGE, TICKET, Signal
from exporter.render.notifications import templates
from exporter.render.pack import Pack
from exporter.render.rule import COMMAND, MARK
from exporter.taxonomy.model import Owner

FOLDER: Final = "deploy/alertmanager"
SECRETS: Final = "/etc/prometheus/secrets"
"""Absolute, because Alertmanager 0.25 reads `api_url_file` relative to where it was started."""
DEFAULT_OWNER: Final = Owner.PLATFORM
"""Gets what has no owner: a system's alerts, the exporter's own, and `nobody`'s."""
PAGED: Final = {Owner.APPLICATION: Owner.APPLICATION, Owner.CLIENT: Owner.APPLICATION}
"""Who is woken for an owner's codes, if not the platform's on-call.

Two rotas and not one per owner: Alertmanager groups within a route only, so 4001 (capacity) and 4005
(platform) rising together would be two pages for one incident.
"""
BURSTS: Final = (Signal.SPIKE, Signal.OVERRUN)
INCOMPLETE: Final = "SessionEndExporterCountsMissing"
"""While it fires a part of its system's ends is not counted, which looks as if no session succeeded."""
CAUSES: Final = (
    "SessionEndExporterDown",
    "SessionEndExporterAbsent",
    "SessionEndExporterLedgerNotWritable",
)
"""Pages about an exporter that doesn't count; `INCOMPLETE` follows from them, unless a replica does."""

_NOTICE: Final = f"{MARK}: written by `{COMMAND}` from exporter/render/{{}}.py."
_CONFIG: Final = """\
# {notice}
#
# For Alertmanager 0.25 (Debian 12) and later. Copy this file and templates/ to /etc/prometheus, and write
# the address of a Slack incoming webhook into each of
#     {secrets}/slack-page      what wakes somebody
#     {secrets}/slack-ticket    what can wait for the morning
# readable by Alertmanager's user. Nothing else needs to be set. For e-mail, a webhook, or another channel
# for one team edit the receivers in the copy; the end of this file has blocks to paste. Then:
#     amtool check-config /etc/prometheus/alertmanager.yml

templates:
  - templates/*.tmpl

route:
  # One notification for one incident: all codes of a system together. Alerts about the exporter itself
  # are a group of their own, as they have no system.
  group_by: [{system}]
  receiver: {ticket}
  group_wait: 5m
  group_interval: 1h
  repeat_interval: 3d
  routes:
    - matchers: [{severity}="{page_severity}"]
      receiver: {page}
      # One evaluation of the rules (30 s) and a little: codes that rise together cross their limits at
      # neighbouring evaluations.
      group_wait: 40s
      # An alert that goes and comes back within this time is not notified again.
      group_interval: 10m
      repeat_interval: 4h
      routes:
{page_routes}
    - matchers: [{severity}="{ticket_severity}"]
      receiver: {ticket}
      routes:
{ticket_routes}

# Nothing inhibits a spike, and `stopped` inhibits nothing: one says why, the other how bad it is.
inhibit_rules:
  # A page for a code says more than the tickets that follow from it, or came before it.
  - source_matchers: [{signal}=~"{bursts}"]
    target_matchers: [{signal}=~"{creeps}"]
    equal: [{system}, {code}]
  # Counts that are missing look as if no session succeeded: a page about what can't be seen. Only for
  # the systems that they are missing of, which the alerts of an exporter that is down don't name: the
  # other systems are counted elsewhere, and a replica of its ledger counts these too.
  - source_matchers: [alertname="{incomplete}"]
    target_matchers: [{signal}="{stopped}"]
    equal: [{system}]
  # Somebody was woken for that exporter already; the alert above still inhibits what it does.
  - source_matchers: [alertname=~"{causes}"]
    target_matchers: [alertname="{incomplete}"]

receivers:
{receivers}

# To paste into a receiver, beside slack_configs or instead of them:
#
#    email_configs:
#      - to: on-call@example.org
#        from: alertmanager@example.org
#        smarthost: mail.example.org:587
#        auth_username: alertmanager@example.org
#        auth_password_file: {secrets}/smtp-password
#        headers:
#          Subject: '{{{{ template "session_end.title" . }}}}'
#        html: '{{{{ template "session_end.email.html" . }}}}'
#        text: '{{{{ template "session_end.text" . }}}}'
#        send_resolved: true
#    webhook_configs:
#      - url: http://127.0.0.1:9095/
#        send_resolved: true
#
# A webhook gets Alertmanager's own JSON with the alerts' labels and annotations as they are: who shows
# them must escape them. Receivers with a text field (Pushover, Opsgenie, Telegram with parse_mode '') take
# "session_end.title" and "session_end.text", which are plain text.
"""


def files(_pack: Pack) -> dict[str, str]:
    """The configuration and its templates by path; the same for every pack, as routes name no system."""
    texts = {"alertmanager.yml": _config()}
    notice = _NOTICE.format("notifications")
    texts |= {f"templates/{name}": text for name, text in templates(notice).items()}
    return {f"{FOLDER}/{name}": text for name, text in texts.items()}


def receiver(severity: str, owner: Owner | None = None) -> str:
    """Who gets an alert: `page-application`, `ticket-customer-network`."""
    if severity == PAGE:
        team = PAGED.get(owner, DEFAULT_OWNER) if owner else DEFAULT_OWNER
    else:
        team = DEFAULT_OWNER if owner in (None, Owner.NOBODY) else owner
    return f"{severity}-{team.value.replace('_', '-')}"


def _config() -> str:
    return _CONFIG.format(
        notice=_NOTICE.format("alertmanager"),
        secrets=SECRETS,
        system=SYSTEM,
        code=CODE,
        severity=SEVERITY,
        signal=SIGNAL,
        page=receiver(PAGE),
        ticket=receiver(TICKET),
        page_severity=PAGE,
        ticket_severity=TICKET,
        page_routes=_routes(PAGE),
        ticket_routes=_routes(TICKET),
        bursts="|".join(BURSTS),
        creeps="|".join((Signal.ELEVATED, Signal.NEW, Signal.QUEUE)),
        incomplete=INCOMPLETE,
        causes="|".join(CAUSES),
        stopped=Signal.STOPPED,
        receivers="\n".join((*_receivers(PAGE), *_receivers(TICKET))),
    )


def _owners(severity: str) -> dict[str, list[Owner]]:
    """Owners by receiver, the default receiver first."""
    found: dict[str, list[Owner]] = {receiver(severity): []}
    for owner in Owner:
        found.setdefault(receiver(severity, owner), []).append(owner)
    return found


def _routes(severity: str) -> str:
    return "\n".join(
        f'        - matchers: [{OWNER}=~"{"|".join(owners)}"]\n          receiver: {name}'
        for name, owners in _owners(severity).items()
        if name != receiver(severity)
    )


def _receivers(severity: str) -> Iterator[str]:
    for index, name in enumerate(_owners(severity)):
        yield f"  - name: {name}"
        if index:
            yield f"    slack_configs: *{severity}"
            continue
        yield f"    slack_configs: &{severity}"
        yield f"      - api_url_file: {SECRETS}/slack-{severity}"
        for field in ("title", "text", "color"):
            yield f"        {field}: '{{{{ template \"session_end.slack.{field}\" . }}}}'"
        yield "        fallback: '{{ template \"session_end.slack.title\" . }}'"
        yield "        send_resolved: true"
