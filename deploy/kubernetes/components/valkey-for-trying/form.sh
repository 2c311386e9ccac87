#!/bin/sh
# Creates one Cluster of the nodes. If all nodes restarted with new addresses, run it again to connect them.
#
# NODES          at least three names, HOST or HOST:PORT, separated by spaces
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

# The command CLUSTER MEET accepts an address, not a name.
addressed() { # NODE
    address=$(getent hosts "${1%:*}")
    echo "${address%% *}"
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
    for node in $NODES; do
        for other in $NODES; do
            ask "$node" CLUSTER MEET "$(addressed "$other")" "$(port "$other")" >/dev/null
        done
    done
else
    set --
    for node in $NODES; do
        set -- "$@" "$(addressed "$node"):$(port "$node")"
    done
    valkey-cli --cluster create "$@" --cluster-yes
fi

# After its start a node reports the state ok before it has contacted the other nodes.
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
