//! Fields that tell what a model must be able to do, and to which others a request belongs. Pure.
//!
//! Nothing of the bill hangs on them, and none of them is refused: what is odd about them is the
//! provider's to say.

use super::Found;
use crate::config::Abilities;
use crate::dialect::json::{Cursor, Fault, Kind};

/// A longer one is nobody's.
const CACHE_KEY_BYTES_MAX: usize = 1024;

impl<'a> Found<'a> {
    /// Reads over a member that decides about nothing but routing, or about nothing.
    pub(super) fn learn(&mut self, cursor: &mut Cursor<'a>, name: &str) -> Result<(), Fault> {
        let kind = cursor.kind()?;
        let needed = match (name, kind) {
            ("tools" | "functions", Kind::Array) => {
                let mut is_empty = true;
                cursor.array(|cursor| {
                    is_empty = false;
                    cursor.skip().map(drop)
                })?;
                if is_empty { Abilities::default() } else { Abilities::TOOLS }
            }
            ("response_format", Kind::Object) => {
                needed_for(cursor, "type", "json_schema", Abilities::JSON_SCHEMA)?
            }
            ("modalities", Kind::Array) => modalities(cursor)?,
            ("reasoning_effort", Kind::String) => match &*cursor.string()?.decoded() {
                "none" => Abilities::default(),
                _ => Abilities::REASONING,
            },
            ("prompt_cache_key", Kind::String) => {
                let key = cursor.string()?.decoded();
                self.prompt_cache_key =
                    Some(key).filter(|key| (1..=CACHE_KEY_BYTES_MAX).contains(&key.len()));
                Abilities::default()
            }
            _ => {
                cursor.skip()?;
                Abilities::default()
            }
        };
        self.needs = self.needs.with(needed);
        Ok(())
    }
}

/// `needed` where the object's member `name` is the text `value`.
fn needed_for(
    cursor: &mut Cursor<'_>,
    name: &str,
    value: &str,
    needed: Abilities,
) -> Result<Abilities, Fault> {
    let mut found = Abilities::default();
    cursor.object(|cursor, member| {
        if cursor.kind()? == Kind::String && member.decoded() == name {
            if cursor.string()?.decoded() == value {
                found = needed;
            }
            return Ok(());
        }
        cursor.skip().map(drop)
    })?;
    Ok(found)
}

fn modalities(cursor: &mut Cursor<'_>) -> Result<Abilities, Fault> {
    let mut found = Abilities::default();
    cursor.array(|cursor| {
        if cursor.kind()? != Kind::String {
            return cursor.skip().map(drop);
        }
        if cursor.string()?.decoded() == "audio" {
            found = Abilities::AUDIO;
        }
        Ok(())
    })?;
    Ok(found)
}
