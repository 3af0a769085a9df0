#!/usr/bin/env bash
# Runs the failover scorecard against another gateway: installs it into a folder, writes its
# configuration, starts it, plays, and stops it. The result is left in FOLDER/PEER/failover.json, for
# `report`.
#
#   loadtests/peers/run.sh PEER [FOLDER] [words for `failover`, such as --scenarios s01,s08]
#
# PEER is the name of a script beside this one. FOLDER is target/peers unless given. LOADTESTS is the
# load tests' command, if it is not to be built first.
#
# Peer, simulated providers and caller run in a network namespace of their own, where nothing can be
# reached from outside and no port is taken: some peers cannot be told to listen on loopback only.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
peer=${1:?which peer? one of: $(cd "$here" && ls -- *.sh | grep -v '^run.sh$' | sed 's/\.sh$//' | xargs)}
folder=${2:-$root/target/peers}
shift $(($# < 2 ? $# : 2))

mkdir -p "$folder/$peer"
home=$(cd "$folder/$peer" && pwd)
gateway=127.0.0.1:19100
primary=127.0.0.1:19101
fallback=127.0.0.1:19102
# How long a peer is to wait for a first token, where it can be told to: half of what S07 takes.
patience=10

loadtests() {
    if [[ -n ${LOADTESTS:-} ]]; then
        # shellcheck disable=SC2086 # a command and its words
        $LOADTESTS "$@"
    else
        "$root/target/release/infergate-loadtests" "$@"
    fi
}

# A line for each scenario: its model at the first provider, and at the fallback.
models() {
    loadtests failover --print-models | awk -F'|' '/^\| s[0-9]/ { gsub(/ /, ""); print $3, $4 }'
}

# What each peer's script defines: `install` (once, with the network), `version`, `configure` (the
# models on its standard input), `start` (in the foreground), `ready` (a path that is answered 200),
# and `words`, an array of further words for `failover`.
words=()
# shellcheck source=/dev/null
source "$here/$peer.sh"

if [[ -z ${PEER_INSIDE:-} ]]; then
    if [[ -z ${LOADTESTS:-} ]]; then
        cargo build --release -p infergate-loadtests --manifest-path "$root/Cargo.toml"
    fi
    install
    export PEER_INSIDE=1
    exec unshare --net --map-root-user "$here/run.sh" "$peer" "$folder" "$@"
fi

ip link set lo up
models | configure
echo "$peer $(version)"
start >"$home/output.log" 2>&1 &
id=$!
# shellcheck disable=SC2064 # the id as it is now
trap "kill $id 2>/dev/null; wait $id 2>/dev/null || true" EXIT
for _ in $(seq 1200); do
    if curl --silent --fail --output /dev/null "http://$gateway$ready"; then
        loadtests failover --gateway-url "http://$gateway/v1" --primary-listen "$primary" \
            --fallback-listen "$fallback" --subject "$peer $(version)" \
            --json "$home/failover.json" "${words[@]}" "$@"
        exit
    fi
    kill -0 "$id" 2>/dev/null || break
    sleep 0.1
done
echo "$peer is not ready:" >&2
tail -n 20 "$home/output.log" >&2
exit 2
