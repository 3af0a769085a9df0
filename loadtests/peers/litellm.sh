# LiteLLM proxy, from the Python registry into an environment of its own: for each scenario a model
# and its fallback.
# shellcheck shell=bash disable=SC2034,SC2154 # these are run.sh's

install() {
    [[ -x $home/venv/bin/litellm ]] && return
    python3 -m venv "$home/venv"
    "$home/venv/bin/pip" install --quiet 'litellm[proxy]'
}

version() {
    "$home/venv/bin/pip" list 2>/dev/null | awk '$1 == "litellm" { print $2 }'
}

configure() {
    local models=() model other
    while read -r model other; do models+=("$model $other"); done
    {
        echo "model_list:"
        for pair in "${models[@]}"; do
            read -r model other <<<"$pair"
            cat <<YAML
  - model_name: $model
    litellm_params: { model: openai/$model, api_base: "http://$primary/v1", api_key: none }
  - model_name: $other
    litellm_params: { model: openai/$other, api_base: "http://$fallback/v1", api_key: none }
YAML
        done
        cat <<YAML
litellm_settings:
  telemetry: false
router_settings:
  num_retries: 2
  timeout: $patience
  stream_timeout: $patience
  retry_policy: { TimeoutErrorRetries: 0 }
  allowed_fails: 2
  cooldown_time: 30
YAML
        for kind in fallbacks context_window_fallbacks; do
            echo "  $kind:"
            for pair in "${models[@]}"; do
                read -r model other <<<"$pair"
                echo "    - { $model: [$other] }"
            done
        done
    } >"$home/config.yaml"
}

key=sk-loadtests-0123456789abcdef0123456789abcdef0123456789abcdef

start() {
    export LITELLM_MASTER_KEY=$key
    export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False NO_DOCS=True
    exec "$home/venv/bin/litellm" --config "$home/config.yaml" \
        --host "${gateway%:*}" --port "${gateway#*:}"
}

ready=/health/liveliness
words=(--key "$key")
