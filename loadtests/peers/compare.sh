#!/usr/bin/env bash
# The failover scorecard of InferGate and of other gateways, one after another on this machine, beside
# InferGate's outage and routing, as one report: FOLDER/report.html and FOLDER/report.md.
#
#   loadtests/peers/compare.sh [FOLDER] [PEER…]
#
# FOLDER is target/peers unless given; every PEER that there is a script for is played unless some are
# named. One that can't be installed or does not start is left out, and said so. LOADTESTS is the load
# tests' command, if it is not to be built first.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${1:-$root/target/peers}
shift $(($# < 1 ? $# : 1))
peers=("$@")
if [[ ${#peers[@]} -eq 0 ]]; then
    peers=(nginx litellm portkey onwards)
fi

if [[ -z ${LOADTESTS:-} ]]; then
    cargo build --release -p infergate-loadtests --manifest-path "$root/Cargo.toml"
    export LOADTESTS=$root/target/release/infergate-loadtests
fi

mkdir -p "$folder"
results=()
# A scenario's claims may fail: that is a result, too, and written down like any other.
play() {
    local result=$1
    shift
    rm -f "$result"
    "$@" || echo "$* ended with $?" >&2
    if [[ -s $result ]]; then results+=("$result"); fi
}

# shellcheck disable=SC2086 # a command and its words
play "$folder/failover.json" $LOADTESTS failover --json "$folder/failover.json"
for peer in "${peers[@]}"; do
    play "$folder/$peer/failover.json" "$here/run.sh" "$peer" "$folder"
done
# shellcheck disable=SC2086
play "$folder/outage.json" $LOADTESTS outage --json "$folder/outage.json"
# shellcheck disable=SC2086
play "$folder/routing.json" $LOADTESTS routing --json "$folder/routing.json"

# shellcheck disable=SC2086
$LOADTESTS report "${results[@]}" --title "InferGate and its peers: failover and routing" \
    --html "$folder/report.html" --markdown "$folder/report.md"
echo "$folder/report.html"
