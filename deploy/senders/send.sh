#!/bin/sh
# Tells the exporter that sessions ended: send.sh SYSTEM CODE SESSION_ID...
# SESSION_ENDS_URL is where to, SESSION_ENDS_TOKEN the bearer token, if one is needed.
set -eu

: "${3:?is missing; usage: send.sh SYSTEM CODE SESSION_ID...}"
system=$1 code=$2
shift 2
url=${SESSION_ENDS_URL:-http://127.0.0.1:10400/v1/session-ends}

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
for session; do
    # The id is the session's own, so whoever sends this end again sends the same id: it is counted once.
    event=$(printf '{"id":"%s","system":"%s","code":"%s","session_id":"%s"}' \
        "$session" "$system" "$code" "$session")
    # Connections that break are tried again too (--retry-all-errors): the event may have been counted, and
    # the id makes that harmless. Without --fail a 4xx is no error, and is not repeated.
    status=$(curl --silent --show-error --output "$answer" --write-out '%{http_code}' \
        --retry 8 --retry-all-errors --retry-max-time 300 --max-time 15 \
        ${SESSION_ENDS_TOKEN:+--header "Authorization: Bearer $SESSION_ENDS_TOKEN"} \
        --header 'Content-Type: application/json' --data-binary "$event" "$url")
    cat "$answer"
    echo
    [ "$status" = 200 ]
done
