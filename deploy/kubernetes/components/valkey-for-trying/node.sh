#!/bin/sh
# One node of the Cluster: sh node.sh [OPTION…], options as of valkey-server.
#
# NODE           the name by which the others and the exporters reach it, which stays when its address changes
# PASSWORD_FILE  one line; the exporters have the same
# DATA           the folder of its files, /data
# MAXMEMORY      well below what the container may have: with more of it in use events are answered 503,
#                and while the append-only file is rewritten pages are in memory twice
set -eu
password=$(cat "$PASSWORD_FILE")
# On standard input, because what is given as an option shows in the list of processes.
exec valkey-server - "$@" <<EOF
port 6379
dir ${DATA:-/data}
cluster-enabled yes
cluster-node-timeout 5000
cluster-announce-hostname $NODE
cluster-preferred-endpoint-type hostname
appendonly yes
appendfsync always
save ""
maxmemory $MAXMEMORY
maxmemory-policy noeviction
requirepass $password
masterauth $password
EOF
