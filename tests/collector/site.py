"""A site on loopback, with a stand-in for the Web SDK as its documentation describes it."""

from tests import faulty_server
from tests.faulty_server import FaultyServer

SDK = """\
// What StreamPixelApplication resolves to, with the events and times of its documentation.
class Sdk {
  constructor() {
    this.reachable = true;
    const listeners = [];
    this.reconnectStream = { on: (_event, listener) => this.followed = listeners.push(listener) };
    this.pixelStreaming = new EventTarget();
    this.say = (state) => listeners.forEach((listener) => listener(state));
  }
  play() {
    this.say({ status: "connecting" });
    this.pixelStreaming.dispatchEvent(new Event("webRtcConnected"));
  }
  close(code, reason = "") {
    this.say({ status: "disconnected", code, reason });
    if (code !== 1005 && code !== 1006) return;
    const gaveUp = Date.now() + 60_000;
    const retry = () => {
      this.say({ status: "retrying" });
      if (this.reachable) return this.say({ status: "connected" });
      if (Date.now() >= gaveUp) return this.say({ status: "failed", code: 4007 });
      this.say({ status: "disconnected", code: 1006, reason });
      setTimeout(retry, 5_000);
    };
    this.say({ status: "reconnecting" });
    setTimeout(retry, 5_000);
  }
}
"""
PLAYER = """\
<!doctype html><title>Player</title>
<script>
  const say = (value, more = {}) => parent.postMessage({ type: "stream-state", value, ...more }, "*");
</script>
"""


class Site(FaultyServer):
    """Serves `pages` (path to HTML).

    `origin` is the origin of its pages, `player` that of the stream's iframe. `plain` is no secure context,
    for a browser that resolves `shop.test` to this host.
    """

    def __init__(self) -> None:
        super().__init__(Handler)
        self.pages: dict[str, str] = {}
        self.origin = f"http://localhost:{self.server_port}"
        self.player = f"http://127.0.0.1:{self.server_port}"
        self.plain = f"http://shop.test:{self.server_port}"


class Handler(faulty_server.Handler):
    server: Site
    # The browser keeps no connection, for which the exit would wait.
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        page = {"/player": PLAYER, "/sdk.js": SDK, **self.server.pages}.get(path)
        content_type = "text/javascript" if path.endswith(".js") else "text/html; charset=utf-8"
        status = 404 if page is None else 200
        self.answer(status, (page or "").encode(), content_type=content_type)
