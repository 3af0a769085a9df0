//! What is written down of requests and answers: no secret, and not too much. Pure.

use infergate_actors::account::KeptAnswer;
use serde_json::{Map, Value, json};

use super::Code;
use crate::auth::{self, ADMIN_TOKEN_PREFIX, KEY_PREFIX};
use crate::notify::SigningSecret;

/// Of a request's body, and of what it changed, in bytes.
const NOTE_BYTES_MAX: usize = 4 * 1024;
/// Of a path and its query, in bytes.
const PATH_BYTES_MAX: usize = 1024;
/// Of an answer that is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

const INSTEAD: &str = "[secret]";

/// Fields whose values are secrets, in requests and answers.
const SECRET_FIELDS: [&str; 12] = [
    "secret",
    "secrets",
    "token",
    "password",
    "code",
    "codes",
    "invite",
    "invites",
    "authorization",
    "x-api-key",
    "api_key",
    "credential",
];
const SECRET_ENDINGS: [&str; 4] = ["_secret", "_token", "_password", "_credential"];
/// What secrets begin with, wherever they stand.
const SECRET_PREFIXES: [&str; 6] =
    [KEY_PREFIX, ADMIN_TOKEN_PREFIX, "igc-", "igi-", "whsec_", "sk-"];
/// Shorter texts with such a beginning are no secrets.
const SECRET_BYTES_MIN: usize = 16;

/// Which texts are secrets, whatever field they stand in.
type Looks = fn(&str) -> bool;

/// A request's body as it is written down.
pub(crate) fn body(bytes: &[u8]) -> String {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return String::new();
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut value) => {
            cleanse(&mut value, is_like_a_secret, &mut Vec::new());
            bounded(&value, NOTE_BYTES_MAX)
        }
        Err(_) => json!({ "not_json": true, "bytes": bytes.len() }).to_string(),
    }
}

/// A path and its query as they are written down.
pub(crate) fn path(text: &str) -> String {
    let mut cleansed = String::with_capacity(text.len());
    for part in text.split_inclusive(['/', '?', '&', '=']) {
        let word = part.trim_end_matches(['/', '?', '&', '=']);
        let (_, end) = part.split_at(word.len());
        cleansed.push_str(if is_like_a_secret(word) { INSTEAD } else { word });
        cleansed.push_str(end);
    }
    cut(&cleansed, PATH_BYTES_MAX).to_owned()
}

/// What changed of a resource, as it is written down: the fields that differ, before and after.
pub(crate) fn changes(before: Option<&Value>, after: Option<&Value>) -> String {
    let none = Map::new();
    let fields = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
    let (was, is) = (fields(before), fields(after));
    if was == is {
        return String::new();
    }
    let differing = |one: &Option<Map<String, Value>>, other: &Option<Map<String, Value>>| {
        let other = other.as_ref().unwrap_or(&none);
        one.as_ref().map(|one| {
            let differs = |(name, value): &(&String, &Value)| other.get(*name) != Some(value);
            let fields = one.iter().filter(differs);
            fields.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>()
        })
    };
    let mut value = json!({ "before": differing(&was, &is), "after": differing(&is, &was) });
    cleanse(&mut value, is_like_a_secret, &mut Vec::new());
    bounded(&value, NOTE_BYTES_MAX)
}

/// An answer as it is kept for whoever asks again: it says which secrets it withholds. A name that only
/// begins like one is told again, as it was.
pub(crate) fn answer(media_type: &str, etag: Option<&str>, bytes: &[u8]) -> KeptAnswer {
    let mut withheld = Vec::new();
    let body = match serde_json::from_slice::<Value>(bytes) {
        Ok(mut value) => {
            cleanse(&mut value, is_secret_of_ours, &mut withheld);
            withheld.sort_unstable();
            withheld.dedup();
            if let (Some(fields), false) = (value.as_object_mut(), withheld.is_empty()) {
                for name in &withheld {
                    if let Some(field) = fields.get_mut(name) {
                        *field = Value::Null;
                    }
                }
                fields.insert("withheld".to_owned(), json!(withheld));
            }
            // As it was, to the byte, if it may be.
            if withheld.is_empty() { bytes.to_vec() } else { value.to_string().into_bytes() }
        }
        Err(_) => Vec::new(),
    };
    let body = if body.len() <= ANSWER_BYTES_MAX {
        body
    } else {
        let why = "it was done; the answer was too long to be kept";
        json!({ "withheld": ["body"], "detail": why }).to_string().into_bytes()
    };
    KeptAnswer { media_type: media_type.to_owned(), etag: etag.map(str::to_owned), body }
}

/// Puts something else in the place of secrets: what is in a field for them, and what looks like one.
/// `found` are the names of the fields they were in.
fn cleanse(value: &mut Value, looks: Looks, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                // What counts how often there was none has no secret.
                let is_nothing = value.is_null() || (value.is_number() && name.starts_with("no_"));
                let is_named = !is_nothing && is_secret_field(name);
                let is_one = value.as_str().is_some_and(looks);
                if is_named || is_one {
                    *value = Value::String(INSTEAD.to_owned());
                    found.push(name.clone());
                } else {
                    cleanse(value, looks, found);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                if value.as_str().is_some_and(looks) {
                    *value = Value::String(INSTEAD.to_owned());
                    found.push("in a list".to_owned());
                } else {
                    cleanse(value, looks, found);
                }
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_FIELDS.contains(&name.as_str())
        || SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a text begins like a secret, of ours or of a provider. For what is written down of anybody's
/// requests: rather a name too many than a secret.
fn is_like_a_secret(text: &str) -> bool {
    let text = bare(text);
    let begins_so = SECRET_PREFIXES.iter().any(|prefix| text.starts_with(prefix));
    begins_so && text.len() >= SECRET_BYTES_MIN
}

/// Whether a text has the whole form of a secret that is made here.
fn is_secret_of_ours(text: &str) -> bool {
    let text = bare(text);
    auth::is_made_here(text)
        || [Code::Credit, Code::Invite].into_iter().any(|code| code.is_form_of(text))
        || text.starts_with("whsec_") && SigningSecret::parse(text).is_ok()
}

fn bare(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("Bearer ").unwrap_or(text)
}

fn bounded(value: &Value, bytes_max: usize) -> String {
    let text = value.to_string();
    if text.len() <= bytes_max {
        return text;
    }
    // Escaped again, a text may be twice as long.
    let beginning = cut(&text, bytes_max / 4);
    json!({ "cut": true, "bytes": text.len(), "beginning": beginning }).to_string()
}

/// The beginning of a text, of at most so many bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use infergate_actors::id::AccountId;

    use super::*;

    #[test]
    fn secrets_are_taken_out_by_the_names_of_fields_and_by_what_they_look_like() {
        let key = "ig-0123456789abcdefghijklmnop";
        let bearer = format!("Bearer {key}");
        let written = body(
            json!({
                "name": "n", "secret": "anything", "nested": [{ "code": 5, "list": [key, "a"] }],
                "note": key, "signing_secret": ["x"], "headers": { "Authorization": "Basic x" },
                "x": bearer, "short": "ig-x", "prices": null, "token": null,
            })
            .to_string()
            .as_bytes(),
        );
        let written: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(
            written,
            json!({
                "name": "n", "secret": INSTEAD, "nested": [{ "code": INSTEAD, "list": [INSTEAD, "a"] }],
                "note": INSTEAD, "signing_secret": INSTEAD, "headers": { "Authorization": INSTEAD },
                "x": INSTEAD, "short": "ig-x", "prices": null, "token": null,
            })
        );
        assert_eq!(body(b"key=ig-0123456789abcdefghijklmnop"), r#"{"bytes":33,"not_json":true}"#);
        assert_eq!(body(b" \n"), "");
        let asked = format!("/admin/v1/x/{key}?reason={key}&b=1");
        assert_eq!(path(&asked), format!("/admin/v1/x/{INSTEAD}?reason={INSTEAD}&b=1"));
    }

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        let long = json!({ "name": "ä\"".repeat(5_000) }).to_string();
        let written = body(long.as_bytes());
        assert!(written.len() <= NOTE_BYTES_MAX, "{}", written.len());
        let written: Value = serde_json::from_str(&written).unwrap();
        assert_eq!((&written["cut"], &written["bytes"]), (&json!(true), &json!(long.len())));
        assert!(path(&"x".repeat(9_000)).len() <= PATH_BYTES_MAX);
        assert_eq!(cut("äöü", 3), "ä");
    }

    #[test]
    fn only_what_differs_is_written_as_a_change() {
        let (one, other) = (json!({ "a": 1, "b": 2 }), json!({ "a": 1, "b": 3, "c": 4 }));
        let written: Value = serde_json::from_str(&changes(Some(&one), Some(&other))).unwrap();
        assert_eq!(written, json!({ "before": { "b": 2 }, "after": { "b": 3, "c": 4 } }));
        assert_eq!(changes(Some(&one), Some(&one)), "");
        let made: Value = serde_json::from_str(&changes(None, Some(&one))).unwrap();
        assert_eq!(made, json!({ "before": null, "after": { "a": 1, "b": 2 } }));
    }

    #[test]
    fn a_kept_answer_says_what_it_withholds() {
        let counts = json!({ "refused": { "no_credential": 7 } }).to_string();
        assert_eq!(answer("application/json", None, counts.as_bytes()).body, counts.as_bytes());
        let bytes = json!({ "id": "key_1", "secret": "ig-0123456789abcdefghijkl" }).to_string();
        let kept = answer("application/json", Some("\"1\""), bytes.as_bytes());
        let body: Value = serde_json::from_slice(&kept.body).unwrap();
        assert_eq!(body, json!({ "id": "key_1", "secret": null, "withheld": ["secret"] }));
        // What is made here is no name, wherever it stands; what begins like it is.
        let code = Code::Credit.make(AccountId(2), 1).unwrap().0.remove(0);
        let secrets = [auth::new_key().unwrap(), auth::new_admin_token().unwrap(), code];
        let admin = auth::new_secret(auth::ADMIN_PREFIX).unwrap();
        let webhook = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned();
        for secret in secrets.into_iter().chain([admin, webhook]) {
            let named = json!({ "name": secret, "list": [format!("Bearer {secret}")] }).to_string();
            let kept = answer("application/json", None, named.as_bytes()).body;
            assert!(!String::from_utf8(kept).unwrap().contains(&secret), "{secret}");
            let told = json!({ "name": secret[..secret.len() - 1] }).to_string();
            assert_eq!(answer("a", None, told.as_bytes()).body, told.as_bytes(), "{secret}");
            assert!(!super::body(told.as_bytes()).contains(&secret[..20]), "the audit log has it");
        }
        let long = json!({ "list": vec!["x"; 50_000] }).to_string();
        assert!(answer("application/json", None, long.as_bytes()).body.len() < 200);
    }
}
