"""Posts session ends to the exporter: send.py SYSTEM CODE SESSION_ID...

SESSION_ENDS_URL is the exporter's URL. SESSION_ENDS_TOKEN is the bearer token, if the exporter needs it.
"""

import http.client
import json
import os
import random
import sys
import time
from urllib.parse import urlsplit

URL = urlsplit(os.environ.get("SESSION_ENDS_URL", "http://127.0.0.1:10400/v1/session-ends"))
TOKEN = os.environ.get("SESSION_ENDS_TOKEN")
ATTEMPTS = 8


def send(events: list[dict[str, object]]) -> dict[str, object]:
    """Return the exporter's answer. Each event needs an `id` that is the same in every attempt.

    Raises `RuntimeError` when a retry cannot help, and after the last attempt.
    """
    body = json.dumps(events)
    for attempt in range(ATTEMPTS):
        wait = min(30.0, 0.5 * 2**attempt) * random.SystemRandom().uniform(0.5, 1)
        try:
            status, after, answer = post(body)
        except (OSError, http.client.HTTPException):
            # Retry: the events may have been counted, and their ids prevent a second count.
            pass
        else:
            if status == 200:
                return json.loads(answer)
            if status < 500 and status not in (408, 429):
                raise RuntimeError(f"{status}: {answer.decode()}")
            wait = max(wait, after)
        if attempt + 1 < ATTEMPTS:
            time.sleep(wait)
    raise RuntimeError(f"not delivered in {ATTEMPTS} attempts")


def post(body: str) -> tuple[int, float, bytes]:
    """Post once. Return the status, the minimum seconds to wait, and the body of the answer."""
    https = URL.scheme == "https"
    kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
    connection = kind(URL.hostname, URL.port, timeout=15)
    headers = {"Content-Type": "application/json"}
    if TOKEN:
        headers["Authorization"] = f"Bearer {TOKEN}"
    try:
        connection.request("POST", URL.path, body, headers)
        response = connection.getresponse()
        after = response.headers.get("Retry-After", "")
        # Retry-After may be a date.
        return response.status, float(after) if after.isdecimal() else 0, response.read()
    finally:
        connection.close()


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print("usage: send.py SYSTEM CODE SESSION_ID...", file=sys.stderr)
        sys.exit(2)
    system, code, *sessions = sys.argv[1:]
    rejected = False
    for session in sessions:
        # The session id is the event's id, so a retry by any sender has the same id and is counted once.
        answer = send([{"id": session, "system": system, "code": code, "session_id": session}])
        print(json.dumps(answer))
        rejected |= bool(answer["rejected"])
    sys.exit(rejected)
