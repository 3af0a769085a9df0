# Portkey gateway, from the npm registry. It keeps no configuration: each request brings its own in a
# header. Its retries and fallbacks are as its documentation shows them: on any status but 2xx. It has
# no breaker. With the server package that its own bounds allow, every stream is answered 500, so that
# package is held back.
# shellcheck shell=bash disable=SC2034,SC2154 # these are run.sh's

install() {
    [[ -d $home/node_modules/@portkey-ai/gateway ]] && return
    (
        cd "$home"
        echo '{ "private": true, "overrides": { "@hono/node-server": "1.13.8" } }' >package.json
        npm install --no-audit --no-fund @portkey-ai/gateway
    )
}

version() {
    node --print "require('$home/node_modules/@portkey-ai/gateway/package.json').version"
}

configure() {
    cat >/dev/null
}

start() {
    export NODE_ENV=production
    exec node "$home/node_modules/@portkey-ai/gateway/build/start-server.js" --headless \
        "--port=${gateway#*:}"
}

target() {
    echo "{\"provider\":\"openai\",\"api_key\":\"none\",\"custom_host\":\"http://$1/v1\"," \
        "\"override_params\":{\"model\":\"$2\"},\"retry\":{\"attempts\":1}}"
}

ready=/
config="{\"strategy\":{\"mode\":\"fallback\"},\"request_timeout\":${patience}000,"
config+="\"targets\":[$(target "$primary" "{scenario}"),$(target "$fallback" "{scenario}-fallback")]}"
words=(--header "x-portkey-config: $config")
