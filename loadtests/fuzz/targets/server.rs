//! Whatever a client sends, the gateway goes on serving the next.
//!
//! One gateway runs inside this process; each input is the bytes of one connection.
#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;

/// Long enough for anything but a hang.
const PATIENCE: Duration = Duration::from_secs(10);
const KEY: &str = "ig-fuzz-0123456789abcdef";

fuzz_target!(|input: &[u8]| {
    let address = gateway();
    exchange(address, input, true);
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let health = exchange(address, ask, false);
    assert!(health.starts_with(b"HTTP/1.1 200"), "the gateway does not serve any more");
});

/// Sends all bytes and reads all that comes back. `leave`: says at once that no more will be sent,
/// which the gateway may take for a client that is gone.
fn exchange(address: SocketAddr, bytes: &[u8], leave: bool) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut stream = TcpStream::connect(address).expect("a listening gateway");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    // It may close before all is sent.
    let _ = stream.write_all(bytes);
    if leave {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn gateway() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("infergate-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (data, operator) = (free_port(), free_port());
        let config = format!(
            "[server]\nlisten = \"{data}\"\n[admin]\nlisten = \"{operator}\"\n[store]\npath = {:?}\n\
             [[providers]]\nname = \"sim\"\nkind = \"simulated\"\ntoken_delay = \"0ms\"\n\
             [[models]]\nname = \"m\"\ncontext_tokens = 4096\noutput_tokens_max = 64\nfree = true\n\
             route = {{ tiers = [[{{ provider = \"sim\", model = \"m\" }}]] }}\n",
            folder.join("data")
        );
        let path = folder.join("infergate.toml");
        std::fs::write(&path, config).expect("a configuration");
        // Before any other thread is there to read the environment.
        // SAFETY: this is the only thread so far.
        unsafe { std::env::set_var("INFERGATE_DEMO_KEY", KEY) };
        std::thread::spawn(move || {
            let words = ["infergate", "serve", "--config"].map(Into::into);
            infergate::cli::main(words.into_iter().chain([path.into_os_string()]));
        });
        for _ in 0..200 {
            if TcpStream::connect(data).is_ok() {
                return data;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the gateway does not listen");
    })
}

fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}
