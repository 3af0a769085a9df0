//! nginx as a plain reverse proxy: what the gateway's cost is compared with.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::{Child, Error, Plan, free_address};

/// A running nginx with one worker.
#[derive(Debug)]
pub struct Nginx {
    /// Proxies with nginx's usual buffering.
    pub whole: SocketAddr,
    /// Proxies without buffering, as streams need it.
    pub streams: SocketAddr,
    child: Child,
}

/// The version of the installed nginx, if there is one.
pub fn version() -> Option<String> {
    let output =
        std::process::Command::new("nginx").arg("-v").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.trim().strip_prefix("nginx version: ").map(str::to_owned)
}

impl Nginx {
    /// Starts one in front of `upstream`, with its files under `directory`.
    pub async fn start(
        directory: &Path,
        upstream: SocketAddr,
        cpu: Option<u32>,
    ) -> Result<Self, Error> {
        let (whole, streams) = (free_address()?, free_address()?);
        let home = directory.join("nginx");
        let file = home.join("nginx.conf");
        fs::create_dir_all(&home)
            .and_then(|()| fs::write(&file, configuration(&home, upstream, whole, streams)))
            .map_err(|source| Error::Prepare { what: file.display().to_string(), source })?;
        let words = ["nginx", "-p"].map(Into::into).into_iter();
        let words = words.chain([home.clone().into(), "-c".into(), file.into()]).collect();
        let log = home.join("output.log");
        let mut child = Child::start(Plan { words, environment: Vec::new(), log, cpu })?;
        child.ready(whole, "/healthz", Duration::from_secs(20)).await?;
        Ok(Self { whole, streams, child })
    }

    /// The master's process id; the worker is its child.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with its worker.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.child.terminate(Duration::from_secs(10)).await.map(drop)
    }
}

fn configuration(
    home: &Path,
    upstream: SocketAddr,
    whole: SocketAddr,
    streams: SocketAddr,
) -> String {
    let home = home.display();
    // A master started by root gives its worker to another user, who cannot write here.
    let user = if we_are_root() { "user root;" } else { "" };
    format!(
        "{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {home}/nginx.pid;
error_log {home}/error.log crit;
events {{ worker_connections 32768; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
    tcp_nodelay on;
    upstream provider {{
        server {upstream};
        keepalive 1024;
        keepalive_requests 100000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_read_timeout 600s;
    server {{
        listen {whole};
        location / {{ proxy_pass http://provider; }}
    }}
    server {{
        listen {streams};
        location / {{ proxy_pass http://provider; proxy_buffering off; }}
    }}
}}
"
    )
}

fn we_are_root() -> bool {
    let output = std::process::Command::new("id").arg("-u").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
