# nginx, of the system's packages: a group of servers for each scenario, the fallback as `backup`.
# It knows no models, so the scenario travels in a header, and a model can't have another name at the
# fallback. What has begun to reach the caller can't be taken back.
# shellcheck shell=bash disable=SC2034,SC2154 # these are run.sh's

install() {
    command -v nginx >/dev/null || apt-get install -y nginx
}

version() {
    nginx -v 2>&1 | sed 's/.*nginx\///'
}

configure() {
    {
        cat <<CONF
user root;
daemon off;
worker_processes 1;
pid $home/nginx.pid;
error_log $home/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $home/body;
    proxy_temp_path $home/proxy;
    fastcgi_temp_path $home/fastcgi;
    uwsgi_temp_path $home/uwsgi;
    scgi_temp_path $home/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    proxy_connect_timeout 5s;
    proxy_read_timeout ${patience}s;
    proxy_next_upstream error timeout invalid_header http_429 http_500 http_502 http_503 http_504 non_idempotent;
    map \$upstream_addr \$served_by {
        default primary;
        "~$fallback\$" fallback;
    }
CONF
        while read -r model _; do
            echo "    upstream $model { server $primary; server $fallback backup; }"
        done
        cat <<CONF
    server {
        listen $gateway;
        location = /ready { return 200; }
        location / {
            proxy_pass http://\$http_x_scenario;
            add_header x-served-by \$served_by;
        }
    }
}
CONF
    } >"$home/nginx.conf"
}

start() {
    exec nginx -p "$home" -c "$home/nginx.conf"
}

ready=/ready
words=(--header "x-scenario: {scenario}")
