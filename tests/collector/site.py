"""A site on loopback, with a stand-in for the Web SDK as its documentation describes it."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deploy.demo.program import BackgroundServer

SDK = """\
// What StreamPixelApplication resolves to, with the events and times of its documentation.
class Sdk {
  constructor() {
    this.reachable = true;
    const listeners = [];
    this.reconnectStream = { on: (_event, listener) => listeners.push(listener) };
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


class Site(BackgroundServer):
    """Serves `pages` (path to HTML).

    `origin` is the origin of its pages, `player` that of the stream's iframe. `plain` is no secure context,
    for a browser that resolves `shop.test` to this host.
    """

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        super().__init__(server)
        port = server.server_port
        self.origin = f"http://localhost:{port}"
        self.player = f"http://127.0.0.1:{port}"
        self.plain = f"http://shop.test:{port}"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        page = {"/player": PLAYER, "/sdk.js": SDK, **self.pages}.get(path)
        body = (page or "").encode()
        request.send_response(404 if page is None else 200)
        content_type = "text/javascript" if path.endswith(".js") else "text/html; charset=utf-8"
        request.send_header("content-type", content_type)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
