//! The `infergate` program.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let path =
        std::env::args().nth(1).map_or(PathBuf::from("config/infergate.toml"), PathBuf::from);
    match runtime
        .block_on(async { tokio::spawn(async move { infergate::serve::run(&path).await }).await })
    {
        Ok(Ok(())) => ExitCode::SUCCESS,
        other => {
            eprintln!("{other:?}");
            ExitCode::FAILURE
        }
    }
}
