#!/bin/sh
# Runs one node of the Cluster: sh node.sh [OPTION…], with the options of valkey-server.
#
# NODE           name at which the other nodes and the exporters reach this node; stays when the address changes
# PASSWORD_FILE  one line, the same password as for the exporters
# DATA           data directory, by default /data
# MAXMEMORY      much less than the container's memory, because the rewrite of the append-only file copies memory
#                pages. At this limit events are answered 503
set -eu
password=$(cat "$PASSWORD_FILE")
# On standard input, because the list of processes shows command-line options.
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
