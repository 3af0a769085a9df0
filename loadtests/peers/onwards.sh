# onwards, built from the Rust registry: for each scenario a target with two providers in order. In
# strict mode, without which it does not look into a stream before it passes it on; trusted, so that
# providers' errors are passed on too.
# shellcheck shell=bash disable=SC2034,SC2154 # these are run.sh's

install() {
    [[ -x $home/bin/onwards ]] && return
    (cd / && nice -n 19 cargo install onwards --version 1.2.0 --locked --root "$home")
}

version() {
    echo 1.2.0
}

configure() {
    local comma="" model other
    {
        echo '{ "strict_mode": true, "targets": {'
        while read -r model other; do
            cat <<JSON
$comma "$model": {
    "strategy": "priority",
    "trusted": true,
    "fallback": {
        "enabled": true, "on_status": [429, 5], "on_rate_limit": true,
        "first_token_timeout_ms": ${patience}000
    },
    "providers": [
        { "url": "http://$primary", "onwards_model": "$model", "request_timeout_secs": $patience },
        { "url": "http://$fallback", "onwards_model": "$other", "request_timeout_secs": $patience,
            "response_headers": { "x-served-by": "fallback" } }
    ]
}
JSON
            comma=","
        done
        echo '} }'
    } >"$home/targets.json"
}

start() {
    exec "$home/bin/onwards" --targets "$home/targets.json" --port "${gateway#*:}" \
        --metrics-port 19109 --shutdown-delay-secs 0 --shutdown-timeout-secs 1
}

ready=/v1/models
