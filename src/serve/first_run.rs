//! The first start: an admin token, a demo account with trial credit, and a line to paste.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use infergate_actors::account::{
    AccountView, Denial, GrantKind, Limits, NewKey, Order, Refusal, Unavailable,
};
use infergate_actors::id::{AccountId, KeyHash};
use infergate_actors::ledger::LedgerError;

use crate::auth::{self, ADMIN_PREFIX, BadSecret, NoEntropy};
use crate::config::Config;
use crate::exchange::World;

/// Where the admin token's hash is kept, in the data directory.
pub(crate) const TOKEN_FILE: &str = "admin-token.sha256";
const DEMO_NAME: &str = "demo";
const TRIAL_REFERENCE: &str = "trial";

/// Secrets that were made at this start: shown now and never again.
#[derive(Default)]
pub struct Secrets {
    admin_token: Option<String>,
    demo_key: Option<String>,
}

/// Why the first run fails.
#[derive(Debug, thiserror::Error)]
pub enum FirstRunError {
    /// The token's file can't be read or written.
    #[error("can't read or write {}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token's file does not hold a hash.
    #[error("{} does not hold a SHA-256; remove it to have a new token made", .0.display())]
    TokenGarbled(PathBuf),
    /// A secret from the environment.
    #[error("{variable} can't be used")]
    Secret {
        /// Which variable.
        variable: &'static str,
        /// Why.
        source: BadSecret,
    },
    /// No random numbers.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The demo account's actor.
    #[error("the demo account can't be set up: {0}")]
    Account(#[from] Refusal),
}

/// Sees to it that there is an admin token and a demo account. What was made before is kept; a start
/// that was cut short is completed by the next.
pub(super) async fn prepare(
    config: &Config,
    world: &World,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<(KeyHash, Secrets), FirstRunError> {
    let mut secrets = Secrets::default();
    let from_environment = |variable: &'static str| match environment(variable) {
        None => Ok(None),
        Some(secret) => match auth::check_secret(&secret) {
            Ok(()) => Ok(Some(secret)),
            Err(source) => Err(FirstRunError::Secret { variable, source }),
        },
    };
    let token = from_environment("INFERGATE_ADMIN_TOKEN")?;
    let token = admin_token(&config.store.path.join(TOKEN_FILE), token, &mut secrets)?;
    let demo_key = from_environment("INFERGATE_DEMO_KEY")?;
    demo_account(config, world, demo_key, &mut secrets).await?;
    Ok((token, secrets))
}

/// The hash of the token in force: the environment's, else the file's, else that of a new one.
fn admin_token(
    path: &Path,
    given: Option<String>,
    secrets: &mut Secrets,
) -> Result<KeyHash, FirstRunError> {
    if let Some(token) = given {
        return Ok(auth::hash(&token));
    }
    let failed = |source| FirstRunError::TokenFile { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) => {
            parse_hex(text.trim()).ok_or_else(|| FirstRunError::TokenGarbled(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = auth::new_secret(ADMIN_PREFIX)?;
            let hash = auth::hash(&token);
            write_durably(path, &hash).map_err(failed)?;
            secrets.admin_token = Some(token);
            Ok(hash)
        }
        Err(error) => Err(failed(error)),
    }
}

fn write_durably(path: &Path, hash: &KeyHash) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    for byte in hash.0 {
        write!(file, "{byte:02x}")?;
    }
    writeln!(file)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn parse_hex(text: &str) -> Option<KeyHash> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(KeyHash(hash))
}

async fn demo_account(
    config: &Config,
    world: &World,
    given_key: Option<String>,
    secrets: &mut Secrets,
) -> Result<(), FirstRunError> {
    let accounts = &world.accounts;
    let first = accounts.read(|ledger| ledger.account_ids(None, 1)).await?;
    let given_hash = given_key.as_deref().map(auth::hash);
    let demo = match first.first() {
        Some(id) => accounts.inspect(*id).await?,
        None => accounts.open(DEMO_NAME.to_owned(), Limits::default()).await?,
    };
    if demo.name != DEMO_NAME || !demo.keys.is_empty() {
        if given_hash.is_some_and(|hash| demo.keys.iter().all(|known| known.key.hash != hash)) {
            tracing::warn!(
                "INFERGATE_DEMO_KEY is not a key of the demo account, which has its keys already: \
                 create keys by `infergate keys create`"
            );
        }
        return Ok(());
    }
    grant_trial(config, world, demo.id).await?;
    let is_ours = given_key.is_none();
    let secret = match given_key {
        Some(secret) => secret,
        None => auth::new_key()?,
    };
    create_key(world, demo.id, &secret).await?;
    secrets.demo_key = is_ours.then_some(secret);
    Ok(())
}

async fn grant_trial(
    config: &Config,
    world: &World,
    account: AccountId,
) -> Result<(), FirstRunError> {
    if !config.trial.credit.is_positive() {
        return Ok(());
    }
    let lasts = config.trial.expires_after;
    let now_ms = world.clock.now().wall_ms;
    let order = Order::Grant {
        kind: GrantKind::Trial,
        amount: config.trial.credit,
        expires_at_ms: lasts.map(|lasts| {
            now_ms.saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX))
        }),
        reference: TRIAL_REFERENCE.to_owned(),
    };
    match world.accounts.order(account, order).await {
        Ok(_) | Err(Refusal::Denied(Denial::DuplicateReference)) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

async fn create_key(
    world: &World,
    account: AccountId,
    secret: &str,
) -> Result<AccountView, FirstRunError> {
    let key = NewKey {
        hash: auth::hash(secret),
        hint: auth::hint(secret),
        name: DEMO_NAME.to_owned(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        rest: Vec::new(),
    };
    Ok(world.accounts.order(account, Order::CreateKey(key)).await?)
}

/// Where the gateway is to be found.
pub(super) struct Place<'a> {
    pub(super) config: &'a Path,
    pub(super) data: SocketAddr,
    /// Whether clients speak TLS.
    pub(super) tls: bool,
    pub(super) operator: SocketAddr,
}

/// Tells on standard output where the gateway is, and the new secrets with a line to paste.
pub(super) fn announce(secrets: &Secrets, place: &Place<'_>, config: &Config) {
    let models: Vec<&str> = config.models.iter().map(|model| &*model.name).collect();
    let mut out = io::stdout().lock();
    // Nobody may be reading; that is no reason to stop.
    let _ = write_announcement(&mut out, secrets, place, &models, config.notes.len());
}

fn write_announcement(
    out: &mut impl Write,
    secrets: &Secrets,
    place: &Place<'_>,
    models: &[&str],
    notes: usize,
) -> io::Result<()> {
    let Place { config, data, tls, operator } = place;
    let api = format!("{}://{data}", if *tls { "https" } else { "http" });
    writeln!(out, "InferGate {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  configuration  {}", config.display())?;
    if notes > 0 {
        writeln!(out, "                 {notes} parts are off: `infergate check` says why")?;
    }
    writeln!(out, "  models         {}", models.join(", "))?;
    writeln!(out, "  API            {api}/v1")?;
    writeln!(out, "  admin          http://{operator}/admin/v1")?;
    if let Some(token) = &secrets.admin_token {
        writeln!(out, "  admin token    {token}   (shown once)")?;
    }
    if let Some(key) = &secrets.demo_key {
        writeln!(out, "  demo key       {key}   (shown once)")?;
        if let Some(model) = models.first() {
            write_example(out, &api, key, model)?;
        }
    }
    out.flush()
}

fn write_example(out: &mut impl Write, api: &str, key: &str, model: &str) -> io::Result<()> {
    writeln!(out, "\nTry it:\n")?;
    writeln!(out, "  curl -N {api}/v1/chat/completions \\")?;
    writeln!(out, "    -H 'Authorization: Bearer {key}' \\")?;
    writeln!(out, "    -H 'Content-Type: application/json' \\")?;
    let body = format!(
        "{{\"model\":\"{model}\",\"stream\":true,\
         \"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}"
    );
    writeln!(out, "    -d '{body}'\n")
}

impl From<Unavailable> for FirstRunError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Account(unavailable.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_hash_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TOKEN_FILE);
        let mut secrets = Secrets::default();
        let hash = admin_token(&path, None, &mut secrets).unwrap();
        let token = secrets.admin_token.unwrap();
        assert_eq!(auth::hash(&token), hash);
        assert!(!fs::read_to_string(&path).unwrap().contains(&token));
        let mut again = Secrets::default();
        assert_eq!(admin_token(&path, None, &mut again).unwrap(), hash);
        assert!(again.admin_token.is_none());
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(
            admin_token(&path, None, &mut again),
            Err(FirstRunError::TokenGarbled(_))
        ));
        let given = admin_token(&path, Some("from-the-environment".into()), &mut again).unwrap();
        assert_eq!(given, auth::hash("from-the-environment"));
    }

    #[test]
    fn the_announcement_has_a_line_to_paste_only_when_a_key_was_made() {
        let told = |secrets: &Secrets, tls: bool| {
            let mut out = Vec::new();
            let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
            let config = Path::new("c.toml");
            let place = Place { config, data: address, tls, operator: address };
            write_announcement(&mut out, secrets, &place, &["m"], 0).unwrap();
            String::from_utf8(out).unwrap()
        };
        let secrets = Secrets { admin_token: None, demo_key: Some("ig-secret".into()) };
        let line = |scheme| format!("curl -N {scheme}://127.0.0.1:8080/v1/chat/completions");
        assert!(told(&secrets, false).contains(&line("http")));
        assert!(told(&secrets, true).contains(&line("https")));
        let second = told(&Secrets::default(), false);
        assert!(!second.contains("curl") && !second.contains("ig-"));
    }
}
