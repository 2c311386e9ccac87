#!/bin/sh
# Makes one Cluster of the nodes; run again it lets nodes that all came back with other addresses find each other.
#
# NODES          their names, HOST or HOST:PORT, with a space between; three at least
# PASSWORD_FILE  one line
set -eu
REDISCLI_AUTH=$(cat "$PASSWORD_FILE")
export REDISCLI_AUTH

ask() { # NODE COMMAND…
    node=$1
    shift
    valkey-cli -h "${node%:*}" -p "$(port "$node")" "$@"
}

port() { # NODE
    case $1 in
    *:*) echo "${1#*:}" ;;
    *) echo 6379 ;;
    esac
}

# Nodes are introduced by address: CLUSTER MEET takes no name.
addressed() { # NODE
    found=$(getent hosts "${1%:*}")
    echo "${found%% *}"
}

formed=
for node in $NODES; do
    until ask "$node" PING 2>/dev/null | grep -q PONG; do
        echo "waiting for $node"
        sleep 1
    done
    if ask "$node" CLUSTER INFO | grep -q 'cluster_slots_assigned:16384'; then
        formed=yes
    fi
done

if [ "$formed" ]; then
    for one in $NODES; do
        for other in $NODES; do
            ask "$one" CLUSTER MEET "$(addressed "$other")" "$(port "$other")" >/dev/null
        done
    done
else
    set --
    for node in $NODES; do
        set -- "$@" "$(addressed "$node"):$(port "$node")"
    done
    valkey-cli --cluster create "$@" --cluster-yes
fi

# A node that has just started calls the Cluster well before it has looked for the others.
sees_all() { # NODE
    linked=$(ask "$1" CLUSTER NODES | grep -v handshake | grep -c ' connected ')
    [ "$linked" = "$(echo "$NODES" | wc -w)" ] && ask "$1" CLUSTER INFO | grep -q 'cluster_state:ok'
}

for node in $NODES; do
    until sees_all "$node"; do
        echo "waiting for $node to see all others"
        sleep 1
    done
done
echo "the Cluster takes writes"
