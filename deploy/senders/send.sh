#!/bin/sh
# Posts session ends to the exporter: send.sh SYSTEM CODE SESSION_ID...
# SESSION_ENDS_URL is the exporter's URL. SESSION_ENDS_TOKEN is the bearer token, if the exporter needs it.
set -eu

: "${3:?is missing; usage: send.sh SYSTEM CODE SESSION_ID...}"
# A quote or a backslash inside a JSON string.
escape() { printf '%s' "$1" | sed 's/["\\]/\\&/g'; }
system=$(escape "$1") code=$(escape "$2") rejected=
shift 2
url=${SESSION_ENDS_URL:-http://127.0.0.1:10400/v1/session-ends}

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
for session; do
    # The session id is the event's id, so a retry by any sender has the same id and is counted once.
    session=$(escape "$session")
    event=$(printf '{"id":"%s","system":"%s","code":"%s","session_id":"%s"}' \
        "$session" "$system" "$code" "$session")
    # --retry-all-errors also retries broken connections: the event may have been counted, and its id prevents a
    # second count. Without --fail, curl does not treat a 4xx as an error and does not retry it.
    status=$(curl --silent --show-error --output "$answer" --write-out '%{http_code}' \
        --retry 8 --retry-all-errors --retry-max-time 300 --max-time 15 \
        ${SESSION_ENDS_TOKEN:+--header "Authorization: Bearer $SESSION_ENDS_TOKEN"} \
        --header 'Content-Type: application/json' --data-binary "$event" "$url")
    cat "$answer"
    echo
    [ "$status" = 200 ]
    grep -qF '"rejected":[]' "$answer" || rejected=1
done
[ -z "$rejected" ]
