"""HTTP/1.1 connections: uvicorn's, with limits that uvicorn leaves to a reverse proxy.

A request is refused when its head exceeds `max_header`, when head or body take longer than
`receive_timeout`, when the previous answer is not complete, or when it is not HTTP. A connection
whose answer is not read in that time is closed. At most `READ_AHEAD` bytes of a body and one read wait
for the application, 64 KiB together.
"""

import math
from typing import Final

import httptools

from exporter.errors import HeadersTooLarge, Refused, TooManyRequests, Unparseable
from exporter.server.closing import ACCEPTED, BODY, HEAD, IDLE, ClosingProtocol
from exporter.server.direct import DirectRequest
from exporter.server.listener import host_of

READ_AHEAD: Final = 4 * 1024
"""Bytes of a body that may wait for the application before reading stops. uvicorn allows 64 KiB."""


class _StopError(Exception):
    """Raised in a callback of the parser, which then parses no further."""


class GuardedProtocol(ClosingProtocol):
    """One connection; uvicorn calls its methods."""

    _deadline_due = False
    _head_bytes = 0
    _may_exceed_head = False
    _request_ended = False
    _body_arrived = False
    _upgrade = False
    _refused_in_parser: Refused | None = None

    def data_received(self, data: bytes | memoryview) -> None:
        if self._ignores_input:
            self._discard(len(data))
            return
        waited = self._phase <= ACCEPTED
        if waited:
            if self._starts_known(data):
                return
            # Any byte starts the deadline, also blank lines before a request.
            self._phase, self._deadline_due = HEAD, True
            self._head_bytes = self._discarded = 0
        in_head = self._phase == HEAD
        self._may_exceed_head = self._head_bytes + len(data) > self.listener.max_header
        self._request_ended = self._body_arrived = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._continue_without_upgrade(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError as error:
            self._fall_back_to_task()
            self._refuse(self._refused_in_parser or Unparseable(f"not HTTP: {error}"))
        else:
            self._fall_back_to_task()
            if self._phase >= HEAD:
                self._request_continues(len(data), in_head)
            elif waited and isinstance(self.cycle, DirectRequest):
                self._known_heads.remember(data, self.cycle)

    def _starts_known(self, data: bytes | memoryview) -> bool:
        """Start a request whose head was parsed before; returns whether `data` is such a request."""
        # The parser does not see the request: between two requests it keeps no state.
        known = self._known_heads.find(data) if self._answers_next() else None
        if known is None:
            return False
        self._phase, self.waiting_since = IDLE, math.inf
        self._start_direct(DirectRequest(self, *known))
        return True

    def _request_continues(self, size: int, in_head: bool) -> None:
        """Start the deadline of an unfinished request, and count its bytes that are no body."""
        if self._deadline_due:
            self._deadline_due = False
            self._read_deadline = self.loop.time() + self.listener.receive_timeout
        if self._phase == BODY:
            if self.cycle.response_complete:
                self._discard(size)
            elif len(self.cycle.body) > READ_AHEAD:
                # The application's next receive() resumes reading.
                self.flow.pause_reading()
            # Trailers and chunk extensions are no body, and have no length limit of their own.
            self._head_bytes = 0 if self._body_arrived or in_head else self._head_bytes + size
        elif in_head and not self._request_ended:
            self._head_bytes += size
        else:
            self._head_bytes = self._head_size()
        if self._head_bytes > self.listener.max_header:
            self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        # uvicorn makes a scope here, which only a task needs.
        self.url, self.headers, self.expect_100_continue = b"", [], False
        if self._phase == IDLE:
            self._phase, self._deadline_due = HEAD, True

    def on_headers_complete(self) -> None:
        try:
            if self._may_exceed_head and self._head_size() > self.listener.max_header:
                raise self._too_large()
            if self.cycle is not None and not self.cycle.response_complete:
                # Clients do not pipeline, and uvicorn makes 9 MB of objects of a read with 3,000 requests.
                raise TooManyRequests("sent before the answer to the previous request")
            if self.parser.should_upgrade():
                self._upgrade = True
                return
            for name, value in self.headers:
                if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                    raise Unparseable("Transfer-Encoding must be chunked: use Content-Encoding")
            host = host_of(self.headers, self.parser.get_http_version(), self.url)
            if self.listener.hosts is not None:
                self.listener.hosts.check(host, self.url)
        except Refused as refused:
            # Its traceback would keep the closed connection until the garbage collector runs.
            self._refused_in_parser = refused.with_traceback(None)
            raise _StopError from None
        self._begin_request()
        self._phase, self._deadline_due = BODY, True
        self.waiting_since = math.inf

    def on_body(self, body: bytes) -> None:
        self._body_arrived = True
        self._add_body(body)

    def on_message_complete(self) -> None:
        if not self._upgrade:
            self._complete_request()
            self._phase, self._request_ended = IDLE, True

    def _continue_without_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its Upgrade header, which RFC 9110 7.8 allows to ignore."""
        # httptools drops the body of such a request. Java's HttpClient asks for h2c with every first POST,
        # and its events were answered 400.
        self._upgrade = False
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(Unparseable("CONNECT is for proxies"))
            return
        version = self.parser.get_http_version().encode()
        lines = [b"%s: %s" % line for line in self.headers if line[0] != b"upgrade"]
        head = b"\r\n".join((b"%s %s HTTP/%s" % (method, self.url, version), *lines, b"\r\n"))
        self.parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        self.data_received(head + rest)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> Refused:
        return HeadersTooLarge(
            f"request line and headers exceed {self.listener.max_header} bytes (max_header)"
        )
