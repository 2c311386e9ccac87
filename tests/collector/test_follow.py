"""The sources that the script can follow: versions of the Web SDK, messages of the iframe, WebSockets."""

import json

import pytest

from tests.collector.visitor import MESSAGES_RECEIVED, Counts, Visitor, end, interruption
from tests.e2e.exporter_process import ExporterProcess, wait_for

INACTIVITY = 4004
"""Maximum Runtime Reached, because no documented code stands for inactivity."""
WARNING = "session-end-collector: %s, so session ends are missing; see docs/browser.md"
NOTHING = WARNING % "there is nothing to follow"
NO_START = WARNING % "start() needs a key, and ingest in a module or a copy"
SECOND = WARNING % "a second iframe needs its own session()"
WITHOUT_RECONNECT_STREAM = """([script, app]) => {
    const player = new EventTarget();
    const fire = (type, data) => player.dispatchEvent(Object.assign(new Event(type), { data }));
    const shapes = {
        app: { appStream: {}, pixelStreaming: player, queueHandler() {}, UIControl: {} },
        stream: { appStream: { stream: player } },
        player,
    };
    SessionEndCollector.start({ key: KEY });
    SessionEndCollector.session({ project: script }).streampixel(shapes[app]);
    eval(script);
}"""
"""Runs a script with the object of the SDK's branch `latest`: no reconnectStream, Epic's events only. Its
session has the script as a label."""
CONNECTED, LOST, INACTIVE = (
    "fire('webRtcConnected'); ",
    "fire('webRtcDisconnected'); ",
    "fire('webRtcConnected'); fire('afkWarningActivate', { countDown: 10 }); ",
)
DISCONNECTED = "fire('webRtcDisconnected', { eventString: '%s', allowClickToReconnect: %s });"
ENDS = {
    CONNECTED + LOST: ["end 4007"],
    CONNECTED + LOST + CONNECTED + "fire('streamDisconnect')": ["end 1000", "interruption 1005"],
    "fire('webRtcConnecting'); fire('webRtcFailed'); " * 2: ["end 4007", "end 4007"],
    # The player does not reconnect: the text of the server, as in a full platform, is the end.
    DISCONNECTED % ("Worker Node Unavailable", "true"): ["end Worker Node Unavailable"],
    DISCONNECTED % ("Reconnecting.", "false"): ["end 4007"],
    CONNECTED + "fire('streamDisconnect'); " + LOST: ["end 1000"],
    "fire('streamDisconnect')": [],
    INACTIVE + LOST: ["end 4004"],
    INACTIVE + DISCONNECTED % ("Disconnected due to inactivity", "true"): ["end 4004"],
    INACTIVE + LOST + CONNECTED + DISCONNECTED % ("Bye", "true"): ["end Bye", "interruption 1005"],
    INACTIVE + "fire('webRtcFailed')": ["end 4004"],
    CONNECTED + "fire('afkTimedOut'); " + LOST: ["end 4004"],
    INACTIVE + "fire('afkWarningDeactivate'); " + LOST: ["end 4007"],
}
WARNED = "sdk.pixelStreaming.dispatchEvent(new Event('afkWarningActivate'));"
EXPECTED = (
    end(1000, 2) | end(4001) | end(4004, 4) | end(4007, 5) | end("unknown") | interruption(1005, 2)
)
INACTIVE_TEXT = "You have been disconnected due to inactivity"
WEBRTC_FAILED = "sdk.pixelStreaming.dispatchEvent(new Event('webRtcFailed'));"
FAILED = """() => {
    sdk.say({ status: "connecting" });
    sdk.say({ status: "failed", reason: "Worker Node Unavailable" });
}"""
WEBSOCKET = """() => {
    const socket = new EventTarget();
    SessionEndCollector.socket(socket);
    SessionEndCollector.socket(socket);
    socket.dispatchEvent(new Event("open"));
    socket.dispatchEvent(new CloseEvent("close", { code: 4004 }));
}"""
TWO_STREAMS = """() => {
    const second = new Sdk();
    SessionEndCollector.session().streampixel(second);
    sdk.play();
    second.play();
    second.close(4006);
    sdk.close(1000);
}"""


@pytest.mark.parametrize(
    ("path", "script", "counted"),
    [
        ("/", "sdk.say({ status: 'connecting' }); sdk.close(4001); " * 2, end(4001, 2)),
        ("/", "sdk.close(undefined, 'Worker Node Unavailable')", end(4001)),
        # A failure without a number is 4007 only after a drop.
        ("/", FAILED, end(4001)),
        ("/", f"sdk.say({{ status: 'connecting' }}); {WEBRTC_FAILED}", end(4007)),
        ("/", f"sdk.play(); {WEBRTC_FAILED}", end(4007)),
        ("/", WEBSOCKET, end(4004)),
        ("/", "SessionEndCollector.end(); SessionEndCollector.end('4000')", end(1000) | end(4000)),
        ("/", TWO_STREAMS, end(1000) | end(4006)),
        ("/twice", "sdk.play(); sdk.close(4006)", end(4006)),
        ("/keyless-first", "sdk.play(); sdk.close(4006)", end(4006)),
        # An inactive viewer, unless the code says more.
        ("/", f"sdk.play(); {WARNED} sdk.close(1000)", end(INACTIVITY)),
        ("/", f"sdk.play(); {WARNED} sdk.close(4006)", end(4006)),
        ("/", f"sdk.play(); sdk.close(1000, '{INACTIVE_TEXT}')", end(INACTIVITY)),
        # The exporter rejects half of a surrogate pair, and the page deleted the end.
        ("/", "SessionEndCollector.end('x'.repeat(127) + '😀')", end("unknown")),
        ("/", "SessionEndCollector.end('\\ud83d')", end("unknown")),
    ],
    ids=[
        *("two attempts", "reason", "failure", "WebRTC attempt", "WebRTC"),
        *("websocket", "call", "two sessions", "two scripts", "a script without a key"),
        *("warning", "crash", "reason of inactivity", "cut in a pair", "half of a pair"),
    ],
)
def test_end_is_counted_once(visitor: Visitor, path: str, script: str, counted: Counts) -> None:
    page = visitor.open(path)
    page.evaluate(script)
    visitor.assert_delivered(page, counted)


def test_sdk_without_reconnect_stream_is_followed(visitor: Visitor) -> None:
    page = visitor.open("/bare")
    for script in ENDS:
        page.evaluate(WITHOUT_RECONNECT_STREAM, [script, "app"])
    visitor.advance(page, 61)
    visitor.wait_until_sent(page)
    sent: dict[str, list[str]] = {script: [] for script in ENDS}
    for request in visitor.sent:
        for event in json.loads(request.post_data or ""):
            kind = "end" if event["final"] else "interruption"
            sent[event["labels"]["project"]].append(f"{kind} {event['code']}")
    assert {script: sorted(ends) for script, ends in sent.items()} == ENDS
    visitor.assert_counted(EXPECTED)


@pytest.mark.parametrize("app", ["player", "stream"])
def test_tab_closed_after_a_webrtc_drop_ends_with_1005(visitor: Visitor, app: str) -> None:
    page = visitor.open("/bare")
    page.evaluate(WITHOUT_RECONNECT_STREAM, [CONNECTED + LOST, app])
    visitor.close(page)
    visitor.assert_counted(end(1005))


@pytest.mark.parametrize(
    ("states", "counted"),
    [
        (
            ["loadingComplete", "reconnecting", "loadingComplete", "disconnected"],
            interruption(1006) | end("unknown"),
        ),
        (["connecting", "loadingComplete", "reconnecting", "disconnected"], end(4007)),
        (["authenticating", "restricted"], end("unknown")),
        # As the SDK of the branch `latest` spells it.
        (["connecting", "loadingComplete", "disconnectd"], end("unknown")),
        (["loadingComplete", "afkWarning", "disconnected"], end(INACTIVITY)),
        (["loadingComplete", "afkWarning", "afkAbort", "disconnected"], end("unknown")),
    ],
)
def test_messages_of_the_iframe_are_followed(
    visitor: Visitor, states: list[str], counted: Counts
) -> None:
    page = visitor.open("/frame")
    player = page.frame_locator("#player").owner.element_handle().content_frame()
    assert player is not None
    for state in states:
        player.evaluate("(state) => say(state)", state)
        page.evaluate(MESSAGES_RECEIVED)
    visitor.assert_delivered(page, counted)


def test_other_frames_and_origins_can_not_end_a_session(visitor: Visitor) -> None:
    page = visitor.open("/frame")
    other = page.frame_locator("#other").owner.element_handle().content_frame()
    assert other is not None
    other.evaluate("say('disconnected')")
    page.evaluate("postMessage({ type: 'stream-state', value: 'disconnected' })")
    page.evaluate("player.src = '/player'")
    page.wait_for_function("player.contentDocument?.title === 'Player'", polling=20)
    page.evaluate("""player.contentWindow.eval("say('disconnected')")""")
    page.evaluate(MESSAGES_RECEIVED)
    visitor.advance(page, 1)
    assert visitor.sent == []
    visitor.assert_counted({})


def test_call_without_effect_is_warned_about_once(visitor: Visitor) -> None:
    # The page forgot to await the promise of the first call.
    for call in (
        *("streampixel(Promise.resolve({}))", "streampixel({ appStream: {} })", "streampixel()"),
        *("frame('#missing')", "frame(null)", "socket({})", "start({})"),
    ):
        page = visitor.open("/bare")
        page.evaluate(f"void SessionEndCollector.{call}")
        page.evaluate(f"void SessionEndCollector.{call}")
        assert visitor.take_faults() == [NO_START if call == "start({})" else NOTHING], call


def test_copy_or_module_without_the_exporters_address_is_warned_about(
    visitor: Visitor, exporter: ExporterProcess
) -> None:
    """Fails when a copy sends to its own address, which nothing answers."""
    page = visitor.open("/copy")
    wait_for(lambda: page.evaluate("1") and visitor.faults)
    assert visitor.take_faults() == [NO_START]
    page = visitor.open("/elsewhere")
    page.evaluate("import('/copy.js').then(() => SessionEndCollector.start({ key: 'key' }))")
    assert visitor.take_faults() == [NO_START]
    for address in ("", "/", "/v1/collector.js"):
        page = visitor.open("/bare")
        ingest = f"http://127.0.0.1:{exporter.ports['ingest']}{address}"
        page.evaluate("(ingest) => SessionEndCollector.start({ key: KEY, ingest })", ingest)
        page.evaluate("SessionEndCollector.end(4001)")
        visitor.advance(page, 1)
        visitor.wait_until_sent(page)
    visitor.assert_counted(end(4001, 3))


def test_second_iframe_of_a_session_is_warned_about(visitor: Visitor) -> None:
    page = visitor.open("/frames")
    wait_for(lambda: page.evaluate("1") and visitor.faults)
    assert visitor.take_faults() == [SECOND]
    page = visitor.open("/frame")
    page.evaluate(
        "SessionEndCollector.frame('#player'); SessionEndCollector.session().frame('#other')"
    )
    page.evaluate("SessionEndCollector.frame('#other')")
    assert visitor.take_faults() == [SECOND]
    # A page that replaces its player.
    page = visitor.open("/frame")
    page.evaluate("player.remove(); SessionEndCollector.frame('#other')")


def test_iframe_that_is_missing_when_the_page_is_loaded_is_warned_about(visitor: Visitor) -> None:
    page = visitor.open("/no-frame")
    wait_for(lambda: page.evaluate("1") and visitor.faults)
    assert visitor.take_faults() == [NOTHING]
