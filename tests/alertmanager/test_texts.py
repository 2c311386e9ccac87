"""Slack messages and mails that a real Alertmanager sent with the shipped templates."""

import re
from datetime import datetime
from html.parser import HTMLParser

import pytest

from tests.alertmanager import shipped
from tests.alertmanager.shipped import alert
from tests.e2e.alertmanager_process import AlertmanagerProcess, MailReceiver, WebhookReceiver
from tests.rule_groups import alerts

RUNBOOK = "https://runbooks.example.org/codes/streampixel/4001?a=1&b=2"
DASHBOARD = "https://grafana.example.org/d/session-end-code?var-system=streampixel&var-code=4001"
NO_WORKERS = {
    "summary": "4001 No Worker Node Available spike on streampixel",
    "description": "48 in 5 min (expected 1.2).",
    "causes": "every worker is busy.",
    "fix": "add workers & wait.",
    "runbook_url": RUNBOOK,
    "dashboard_url": DASHBOARD,
}
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
INVISIBLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]")


class _Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def slack(tmp_path):
    with (
        WebhookReceiver() as receiver,
        AlertmanagerProcess(shipped.with_slack(tmp_path, receiver.url)) as manager,
    ):

        def send(*sent):
            manager.post(*sent)
            path, body = receiver.next()
            (attachment,) = body["attachments"]
            return path, attachment

        yield send


@pytest.fixture
def mail(tmp_path):
    with (
        MailReceiver() as receiver,
        AlertmanagerProcess(shipped.with_mail(tmp_path, receiver.address)) as manager,
    ):

        def send(*sent):
            manager.post(*sent)
            message = receiver.next()
            text, markup = (
                message.get_body((kind,)).get_content().replace("\r\n", "\n")
                for kind in ("plain", "html")
            )
            return message, text, markup

        yield send


def _no_workers(**options):
    return alert("spike", "4001", owner="capacity", annotations=NO_WORKERS, **options)


def _time(sent):
    """The minute at which an alert began, as it is shown."""
    at = datetime.fromisoformat(sent["startsAt"])
    return f"{at.day} {at:%b %H:%M} UTC"


def _assert_lines_begin(text, *beginnings):
    for line in filter(None, text.strip().split("\n")):
        assert line.startswith(beginnings), line


def test_slack_shows_a_page_in_few_lines_and_its_resolution(slack):
    sent = _no_workers()
    path, shown = slack(sent)
    assert path == "/slack-page"
    assert shown["title"] == shown["fallback"] == NO_WORKERS["summary"]
    assert shown["color"] == "danger"
    assert shown["text"].strip().split("\n") == [
        "> 48 in 5 min (expected 1.2).",
        "> Causes: every worker is busy.",
        "> Fix: add workers &amp; wait.",
        f"Owner: capacity, since {_time(sent)} "
        f"· <{RUNBOOK.replace('&', '&amp;')}|Runbook> · <{DASHBOARD.replace('&', '&amp;')}|Dashboard>",
    ]
    _, shown = slack(_no_workers(resolved=True))
    assert shown["title"] == f"Resolved: {NO_WORKERS['summary']}"
    assert shown["color"] == "good"
    assert re.fullmatch(
        r"since \d+ \w+ [\d:]+ UTC, resolved at \d+ \w+ [\d:]+ UTC\n?", shown["text"]
    )


def test_slack_shows_every_alert_of_a_group_under_its_summary(slack):
    path, shown = slack(
        alert("elevated", "4001", owner="capacity", annotations=NO_WORKERS),
        alert("new", "4099", owner="capacity", annotations={"summary": "4099 <new>"}),
    )
    assert path == "/slack-ticket"
    assert shown["color"] == "warning"
    assert shown["title"].endswith(" (2 alerts)")
    assert f"*{NO_WORKERS['summary']}*\n> 48 in" in shown["text"]
    assert "*4099 &lt;new&gt;*\nOwner: capacity" in shown["text"]


def test_slack_shows_an_alert_without_annotations_by_its_name(slack):
    _, shown = slack(alert("spike", "4001", alertname="Bare"))
    assert shown["title"] == "Bare"
    assert shown["text"].startswith("since ")


def test_slack_shows_every_annotation_of_the_shipped_rules(slack):
    names = {name for rule in alerts().values() for name in rule["annotations"]}
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
    assert message["Subject"] == NO_WORKERS["summary"]
    assert text.strip().split("\n") == [
        NO_WORKERS["summary"],
        "> 48 in 5 min (expected 1.2).",
        "> Causes: every worker is busy.",
        "> Fix: add workers & wait.",
        f"Owner: capacity, since {_time(sent)}",
        f"Runbook: {RUNBOOK}",
        f"Dashboard: {DASHBOARD}",
    ]
    page = _Page(markup)
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == [RUNBOOK, DASHBOARD]
    for shown in (NO_WORKERS["summary"], NO_WORKERS["description"], "Owner: capacity, since"):
        assert shown in page.text
    message, text, markup = mail(_no_workers(resolved=True))
    assert message["Subject"] == f"Resolved: {NO_WORKERS['summary']}"
    assert re.fullmatch(
        r"Resolved: 4001 [^\n]*\nsince [^\n]*, resolved at [^\n]* UTC", text.strip()
    )
    assert "Resolved: 4001" in _Page(markup).text


def test_hostile_text_is_inert_in_a_mail(mail):
    """Fails without "session_end.line" or the match of links in text.tmpl and email.tmpl."""
    message, text, markup = mail(alert("spike", "4001", owner="<b>\nx", annotations=HOSTILE))
    assert message["Bcc"] is None
    for shown in (message["Subject"], text, markup):
        assert not INVISIBLE.search(shown)
        assert "{{ .ExternalURL }}" in shown
    _assert_lines_begin(text, "S <https://evil", "> ", "Owner: <b> x, since")
    page = _Page(markup)
    harmless = {"html", "head", "meta", "body", "h3", "blockquote", "p"}
    assert {tag for tag, _ in page.tags} == harmless
    assert "<script>alert(1)</script>" in page.text
