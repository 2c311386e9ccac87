"""Slack messages and mails that a real Alertmanager sent with the shipped templates."""

import re
from contextlib import contextmanager
from datetime import datetime

import pytest
import yaml

from tests.alertmanager import shipped
from tests.alertmanager.shipped import alert
from tests.e2e.alertmanager_process import AlertmanagerProcess, MailReceiver, WebhookReceiver
from tests.ops.ops_app import Page
from tests.rule_groups import alerts

RUNBOOK = "https://runbooks.example.org/codes/streampixel/4001?a=1&b=2"
DASHBOARD = "https://grafana.example.org/d/session-end-code?var-system=streampixel&var-code=4001"
COUNT = "48 in 5 min (expected 1.2), 16.8% of all session ends."
PLACE = "Where: region ap 92 %."
NO_WORKERS = {
    "summary": "4001 No Worker Node Available spike on streampixel",
    "description": COUNT + " " + PLACE,
    "excess": "000000047",
    "causes": "every worker is busy.",
    "fix": "add workers & wait.",
    "runbook_url": RUNBOOK,
    "dashboard_url": DASHBOARD,
}
TITLE = f"{NO_WORKERS['summary']}: 48 in 5 min, 16.8 %"
EVIL = (
    '<https://evil.example|x> <!channel> {{ .ExternalURL }} {{ template "x" }} <script>alert(1)</script>'
    " &lt; \u202etxt.exe\u202c \u2066a\u2069 \u200f \u200b \x1b[31m"
)
HOSTILE = {
    "summary": f"S {EVIL}\nOwner: nobody\r\nBcc: victim@example.org",
    "description": f"D {EVIL}\nRunbook: https://evil.example/1\u2028Owner: evil\r\n\u200b\r\n> done",
    "causes": f"C {EVIL}\nOwner: evil",
    "fix": f"F {EVIL}\r\nOwner: evil",
    "runbook_url": 'javascript:alert("1")',
    "dashboard_url": "https://evil.example/|x> <!channel>\n<b>",
}
NOWHERE = "http://127.0.0.1:9"
ENDED = r"\d+ \w+ \d\d:\d\d to (\d+ \w+ )?\d\d:\d\d UTC"
INVISIBLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]")


@contextmanager
def running(receiver, config, read):
    """A function that sends alerts with this configuration, and returns what `read` makes of the next
    notification."""
    with receiver, AlertmanagerProcess(config) as manager:

        def send(*sent):
            manager.post(*sent)
            return read(receiver.next())

        yield send


@pytest.fixture
def slack(tmp_path):
    def read(request):
        path, body = request
        (attachment,) = body["attachments"]
        return path, attachment

    receiver = WebhookReceiver()
    with running(receiver, shipped.with_slack(tmp_path, receiver.url), read) as send:
        yield send


@pytest.fixture
def mail(tmp_path):
    def read(message):
        bodies = [message.get_body((kind,)).get_content() for kind in ("plain", "html")]
        return message, *(body.replace("\r\n", "\n") for body in bodies)

    receiver = MailReceiver()
    with running(
        receiver, shipped.with_webhooks(tmp_path, NOWHERE, receiver.address), read
    ) as send:
        yield send


def _no_workers(**options):
    return alert("spike", "4001", owner="capacity", annotations=NO_WORKERS, **options)


def _since(sent):
    """The start of an alert, as notifications show it."""
    at = datetime.fromisoformat(sent["startsAt"])
    return f"since {at.day} {at:%b %H:%M} UTC"


def _assert_lines_begin(text, *beginnings):
    for line in filter(None, text.strip().split("\n")):
        assert line.startswith(beginnings), line


def test_slack_shows_a_page_in_few_lines_and_its_resolution(slack):
    sent = _no_workers()
    path, shown = slack(sent)
    assert path == "/slack-page"
    assert shown["title"] == shown["fallback"] == TITLE
    assert shown["color"] == "danger"
    assert shown["text"].strip().split("\n") == [
        f"> {COUNT}",
        f"> {PLACE}",
        "> Causes: every worker is busy.",
        "> Fix: add workers &amp; wait.",
        f"Owner: capacity · {_since(sent)} "
        f"· <{RUNBOOK.replace('&', '&amp;')}|Runbook> · <{DASHBOARD.replace('&', '&amp;')}|Dashboard>",
    ]
    _, shown = slack(_no_workers(resolved=True))
    assert shown["title"] == f"Resolved: {NO_WORKERS['summary']}"
    assert shown["color"] == "good"
    assert re.fullmatch(ENDED, shown["text"].strip())


def test_slack_shows_the_other_alerts_of_a_group_under_their_summaries(slack):
    new = {"summary": "4099 <new>", "description": "3 in 1 h, none in the 7 days before."}
    sent = alert("new", "4099", owner="capacity", annotations=new)
    path, shown = slack(sent, alert("elevated", "4001", owner="capacity", annotations=NO_WORKERS))
    assert path == "/slack-ticket"
    assert shown["color"] == "warning"
    assert shown["title"] == f"{TITLE} (+1 more)"
    assert shown["text"].startswith("> 48 in")
    last = f"> 3 in 1 h, none in the 7 days before.\nOwner: capacity · {_since(sent)}"
    assert shown["text"].strip().endswith(f"*4099 &lt;new&gt;*\n{last}")


def test_slack_shows_the_worst_alert_first_and_causes_of_three(slack):
    """Alerts are sorted by the annotation `excess`, not by code. Alerts without `excess` come last."""
    excesses = {"4001": 9, "4003": 84, "4005": 100, "4006": 12, "4007": None}

    def text(code, excess):
        count = (
            {"description": f"{excess} in 5 min (expected 0)", "excess": f"{excess:09}"}
            if excess
            else {}
        )
        return {"summary": f"{code} spike", "causes": f"Cause of {code}", **count}

    sent = [
        alert("spike", code, annotations=text(code, excess)) for code, excess in excesses.items()
    ]
    _, shown = slack(*sent)
    assert shown["title"] == "4005 spike: 100 in 5 min (+4 more)"
    assert re.findall(r"\*(\d+) spike", shown["text"]) == ["4003", "4006", "4001", "4007"]
    assert re.findall(r"Cause of (\d+)", shown["text"]) == ["4005", "4003", "4006"]


def test_slack_names_the_resolved_alerts_of_a_group_that_still_fires(slack):
    other = {"summary": "4005 Streamer spike", "excess": "000000100"}
    slack(_no_workers(), alert("spike", "4005", annotations=other))
    _, shown = slack(alert("spike", "4005", annotations=other, resolved=True), _no_workers())
    assert shown["title"] == f"{TITLE} (1 resolved)"
    assert shown["color"] == "danger"
    assert re.fullmatch(
        f"Resolved: 4005 Streamer spike, {ENDED}", shown["text"].strip().split("\n")[-1]
    )
    _, shown = slack(_no_workers(resolved=True))
    assert shown["title"] == f"Resolved: {NO_WORKERS['summary']}"


def test_slack_shows_an_alert_without_annotations_by_its_name(slack):
    _, shown = slack(alert("spike", "4001", alertname="Bare"))
    assert shown["title"] == "Bare"
    assert shown["text"].startswith("since ")


def test_slack_shows_every_annotation_of_the_shipped_rules(slack):
    names = {name for rule in alerts().values() for name in rule["annotations"]} - {"excess"}
    texts = {
        name: f"https://example.org/{name}" if name.endswith("_url") else f"text of {name}"
        for name in names
    }
    _, shown = slack(alert("spike", "4001", owner="capacity", annotations=texts))
    assert [text for text in texts.values() if text not in shown["title"] + shown["text"]] == []


def test_hostile_text_is_inert_in_slack(slack):
    """Fails without the escapes of "session_end.slack.line" or the match of links in slack.tmpl."""
    _, shown = slack(
        alert("spike", "4001", owner="<!here>\nx", annotations=HOSTILE),
        alert("spike", "4005", owner="platform", annotations=NO_WORKERS),
    )
    text = "\n".join(shown[field] for field in ("title", "fallback", "text"))
    links = {f"<{url.replace('&', '&amp;')}|" for url in (RUNBOOK, DASHBOARD)}
    assert set(re.findall(r"<[^>]*?\|", text)) == links
    assert text.count("<") == 2
    assert not INVISIBLE.search(text)
    assert "&lt;https://evil.example|x&gt; &lt;!channel&gt; {{ .ExternalURL }}" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;lt;" in text
    assert "javascript" not in text
    assert "\n" not in shown["title"]
    owners = ("Owner: &lt;!here&gt; x", "Owner: platform")
    _assert_lines_begin(shown["text"], "> ", "*S ", "*4001 No Worker Node", *owners)


def test_mail_shows_a_page_in_few_lines_and_its_resolution(mail):
    sent = _no_workers()
    message, text, markup = mail(sent)
    assert message["Subject"] == TITLE
    assert text.strip().split("\n") == [
        NO_WORKERS["summary"],
        f"> {COUNT}",
        f"> {PLACE}",
        "> Causes: every worker is busy.",
        "> Fix: add workers & wait.",
        f"Owner: capacity · {_since(sent)}",
        f"Runbook: {RUNBOOK}",
        f"Dashboard: {DASHBOARD}",
    ]
    page = Page(markup)
    assert page.refs == [RUNBOOK, DASHBOARD]
    for shown in (NO_WORKERS["summary"], f"{COUNT} {PLACE}", "Owner: capacity · "):
        assert shown in page.text
    message, text, markup = mail(_no_workers(resolved=True))
    assert message["Subject"] == f"Resolved: {NO_WORKERS['summary']}"
    assert re.fullmatch(f"Resolved: 4001 [^\n]*\n{ENDED}", text.strip())
    assert "Resolved: 4001" in Page(markup).text


def test_hostile_text_is_inert_in_a_mail(mail):
    """Fails without "session_end.line" or the match of links in text.tmpl and email.tmpl."""
    message, text, markup = mail(alert("spike", "4001", owner="<b>\nx", annotations=HOSTILE))
    assert message["Bcc"] is None
    for shown in (message["Subject"], text, markup):
        assert not INVISIBLE.search(shown)
        assert "{{ .ExternalURL }}" in shown
    _assert_lines_begin(text, "S <https://evil", "> ", "Owner: <b> x · since")
    page = Page(markup)
    harmless = {"html", "head", "meta", "body", "h3", "blockquote", "p"}
    assert page.tags == harmless
    assert "<script>alert(1)</script>" in page.text


@pytest.fixture
def others(tmp_path):
    """PagerDuty's block, and the templates of SNS and Teams as title and text of a webhook."""
    receiver = WebhookReceiver()
    config = shipped.with_slack(tmp_path, receiver.url)
    document = yaml.safe_load(config.read_text())
    blocks = shipped.shipped_receivers()
    (pagerduty,) = blocks["pagerduty"]["pagerduty_configs"]
    pagerduty["url"] = f"{receiver.url}/pagerduty"
    pagerduty["routing_key_file"] = str(tmp_path / "slack-page")
    (page,) = document["receivers"][0]["slack_configs"]
    page["title"] = blocks["sns"]["sns_configs"][0]["subject"]
    page["text"] = blocks["teams"]["msteamsv2_configs"][0]["text"]
    document["receivers"][0]["pagerduty_configs"] = [pagerduty]
    config.write_text(yaml.safe_dump(document))
    with running(receiver, config, lambda first: dict([first, receiver.next()])) as send:
        yield send


def test_pagerduty_sns_and_teams_get_texts_that_they_accept(others):
    """SNS refuses long subjects and subjects that are not ASCII. Teams reads Markdown."""
    hostile = {
        "summary": "4001 Kein\nPlatz für\u202e _alle_ " + 30 * "[x](https://evil) ",
        "description": "Nur _alle_ [x](https://evil)",
        "excess": "000000999",
    }
    got = others(_no_workers(), alert("spike", "4005", annotations=hostile))
    pagerduty, (shown,) = got["/pagerduty"], got["/slack-page"]["attachments"]
    assert pagerduty["payload"]["summary"].startswith("4001 Kein Platz für _alle_ [x]")
    assert pagerduty["payload"]["severity"] == "critical"
    assert f"> {PLACE}\n> Causes: every worker" in pagerduty["payload"]["custom_details"]["alerts"]
    assert re.fullmatch(r"4001 Kein Platz f r [ -~]+\.\.\. \(\+1 more\)", shown["title"])
    assert len(shown["title"]) <= 100 - len("Resolved: , 36 resolved")
    assert shown["text"].startswith("Nur \\_alle\\_ \\[x\\](https")
    assert re.findall(r"(?<!\\)\]\((.*?)\)", shown["text"]) == [RUNBOOK, DASHBOARD]
