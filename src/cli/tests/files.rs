//! Commands on files: configurations and ledgers.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Exit, run, shown, used};
use crate::operate::fixture::Gateway;
use crate::serve::TOKEN_FILE;

#[tokio::test]
async fn a_configuration_is_checked() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.toml");
    fs::write(&file, "[server]\nlisten = 1\nspeed = 2\n").unwrap();
    let (exit, out, err) = run(&["check", "--config", shown(&file)]).await;
    assert_eq!((exit, out.as_str()), (Exit::Wrong, ""));
    assert!(err.contains("a.toml:2: server.listen: ") && err.contains("a.toml:3: server.speed: "));

    let pem = folder.path().join("a.pem");
    fs::write(&pem, "no PEM").unwrap();
    let tls = format!("[server]\ntls = {{ certificate = {pem:?}, key = {pem:?} }}\n");
    fs::write(&file, tls).unwrap();
    let (exit, out, err) = run(&["check", "--config", shown(&file)]).await;
    assert_eq!((exit, out.as_str()), (Exit::Wrong, ""));
    assert!(err.contains("server.tls: ") && err.contains("not a readable PEM file"), "{err}");

    let (exit, out, err) = run(&["check", "--config", "config/infergate.toml"]).await;
    assert_eq!((exit, err.as_str()), (Exit::Well, ""));
    for part in [
        "config/infergate.toml is good",
        "127.0.0.1:8080",
        "simulated: inside this process",
        "sim-small: simulated/sim-small",
        "note: provider \"openai\" is off: the environment has no OPENAI_API_KEY",
    ] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    let warning = "warning: model \"gpt-5.4-mini\" has no target that is on";
    assert!(out.contains(warning), "{out}");
    let strict = ["check", "--strict", "--config", "config/infergate.toml"];
    assert_eq!(run(&strict).await, (Exit::Wrong, out, err));
    fs::write(&file, "").unwrap();
    let (exit, _, err) = run(&["check", "--strict", "--config", shown(&file)]).await;
    assert_eq!((exit, err.as_str()), (Exit::Well, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_is_verified_exported_and_imported() {
    let (gateway, _, _) = used().await;
    let data = gateway.copy_of_data();
    let data = shown(data.path());
    let (exit, out, err) = run(&["ledger", "verify", "--data-dir", data]).await;
    assert_eq!((exit, err.as_str()), (Exit::Well, ""), "{out}");
    assert!(out.contains("1 charges derived again") && out.ends_with("everything agrees\n"));
    let (exit, out, _) = run(&["ledger", "verify", "--json", "--data-dir", data]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &report["ok"]), (Exit::Well, &json!(true)));

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("backup");
    let (exit, out, _) = run(&["ledger", "export", "--data-dir", data, shown(&file)]).await;
    assert_eq!(exit, Exit::Well, "{out}");
    let (exit, _, err) = run(&["ledger", "export", "--data-dir", data, shown(&file)]).await;
    assert!(exit == Exit::NotDone && err.contains("can't make"), "{err}");
    let new = folder.path().join("new");
    let import = ["ledger", "import", "--json", "--data-dir", shown(&new), shown(&file)];
    let (exit, out, _) = run(&import).await;
    let imported: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &imported["events"]), (Exit::Well, &report["events"]));
    assert_eq!(imported["head"], report["head"]);
    let (exit, _, err) = run(&["ledger", "import", "--data-dir", shown(&new), shown(&file)]).await;
    assert!(exit == Exit::NotDone && err.contains("not empty"), "{err}");
    let (exit, out, _) = run(&["ledger", "verify", "--data-dir", shown(&new)]).await;
    assert_eq!(exit, Exit::Well, "{out}");

    fs::write(&file, b"nothing like it").unwrap();
    let other = folder.path().join("other");
    let (exit, _, err) =
        run(&["ledger", "import", "--data-dir", shown(&other), shown(&file)]).await;
    assert!(exit == Exit::Wrong && err.contains("not a whole export"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_ledger_is_reported_and_repaired() {
    let (gateway, _, _) = used().await;
    let data = gateway.copy_of_data();
    fs::remove_file(data.path().join("high-water")).unwrap();
    fs::write(data.path().join(TOKEN_FILE), "a hash").unwrap();
    let data = shown(data.path());
    let (exit, _, err) = run(&["ledger", "verify", "--data-dir", data]).await;
    assert!(exit == Exit::Wrong && err.contains("`high-water` is missing"), "{err}");
    let (exit, out, _) = run(&["ledger", "verify", "--json", "--data-dir", data]).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["ok"], false);
    assert_eq!(exit, Exit::Wrong);

    let folder = TempDir::new().unwrap();
    let new = folder.path().join("new");
    let (exit, out, err) =
        run(&["ledger", "repair", "--data-dir", data, "--to", shown(&new)]).await;
    assert_eq!((exit, err.as_str()), (Exit::Well, ""), "{out}");
    assert!(out.contains("ledger verify --data-dir"), "{out}");
    assert_eq!(fs::read_to_string(new.join(TOKEN_FILE)).unwrap(), "a hash");
    let (exit, out, _) = run(&["ledger", "verify", "--data-dir", shown(&new)]).await;
    assert_eq!(exit, Exit::Well, "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_not_there_or_in_use_is_left_alone() {
    let gateway = Gateway::start().await;
    let open = gateway.directory.path().join("data");
    let (exit, _, err) = run(&["ledger", "verify", "--data-dir", shown(&open)]).await;
    assert!(exit == Exit::NotDone && err.contains("in use by another process"), "{err}");
    let nowhere = gateway.directory.path().join("nowhere");
    let (exit, _, err) = run(&["ledger", "verify", "--data-dir", shown(&nowhere)]).await;
    assert!(exit == Exit::NotDone && err.contains("no directory"), "{err}");
    assert!(!nowhere.exists());
}
