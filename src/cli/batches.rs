//! What the commands for codes and for invites have alike: batches made, listed and taken back.

use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::before::{Lost, codes_lost};
use super::call::{Error, ask, date, query};
use super::{Console, Gateway};

/// Every batch of a list, which is the field `field` of each of its pages.
pub(super) async fn all<B: DeserializeOwned>(
    gateway: &Gateway,
    (path, field): (&str, &str),
    console: &Console<'_>,
) -> Result<Vec<B>, Error> {
    let mut batches = Vec::new();
    let mut asked = path.to_owned();
    loop {
        let mut page: Value =
            serde_json::from_slice(&ask(gateway, Method::GET, &asked, None, console).await?)?;
        let of_page = page.get_mut(field).map(Value::take).unwrap_or_default();
        batches.extend(serde_json::from_value::<Vec<B>>(of_page)?);
        let Some(next) = page.get("next").and_then(Value::as_u64) else { return Ok(batches) };
        asked = query(path, &[("after", Some(&next.to_string()))]);
    }
}

/// The new codes alone are the result, a line each, so that a script can take them as they are. `None`
/// where they were made before, under the same idempotency key.
pub(super) fn tell_made(
    (batch, codes): (&str, Option<Vec<String>>),
    what: &str,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let Some(codes) = codes else {
        writeln!(
            console.err,
            "{batch} was made before under this key; its {what} are not shown again: if they \
             never arrived, {}",
            codes_lost(batch, what)
        )?;
        return Ok(());
    };
    writeln!(console.err, "{batch}; its {what} are not shown again:")?;
    for code in codes {
        writeln!(console.out, "{code}")?;
    }
    Ok(())
}

/// The same where they were made before, and the gateway stopped before it could answer.
pub(super) fn tell_lost(lost: &Lost, what: &str, console: &mut Console<'_>) -> Result<(), Error> {
    match &lost.done_to {
        Some(batch) => writeln!(
            console.err,
            "{batch} was made before under this key, and its {what} are lost with the answer: {}",
            codes_lost(batch, what)
        )?,
        None => writeln!(
            console.err,
            "a batch was made before under this key, and its {what} are lost: find it with `infergate \
             {what} list`, take it back, and make others under another key"
        )?,
    }
    Ok(())
}

/// How many of all uses were made.
pub(super) fn used(made: usize, count: usize, each: u32) -> String {
    let each = usize::try_from(each).unwrap_or(usize::MAX);
    format!("{made} of {}", count.saturating_mul(each))
}

/// Whether a batch can be used.
pub(super) fn state(is_revoked: bool, expires_at_ms: Option<u64>) -> String {
    match (is_revoked, expires_at_ms) {
        (true, _) => "taken back".to_owned(),
        (false, Some(at_ms)) => format!("until {}", date(at_ms)),
        (false, None) => "works".to_owned(),
    }
}
