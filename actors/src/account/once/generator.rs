//! Arbitrary events of idempotency keys, for tests of their format.

use proptest::prelude::*;

use super::*;
use crate::account::KeptAnswer;
use crate::id::KeyId;
use crate::ledger::Digest;

fn once() -> impl Strategy<Value = Once> {
    any::<(u32, [u8; 16], [u8; 16])>().prop_map(|(asker, key, print)| Once {
        asker: KeyId(asker),
        key: Digest(key),
        fingerprint: Digest(print),
    })
}

/// Any of them.
pub(crate) fn any_once_event() -> impl Strategy<Value = OnceEvent> {
    let kept = any::<(String, Option<String>, Vec<u8>)>()
        .prop_map(|(media_type, etag, body)| KeptAnswer { media_type, etag, body });
    let answered = (once(), any::<u16>(), kept)
        .prop_map(|(once, status, answer)| Box::new(Answered { once, status, answer }));
    prop_oneof![
        (once(), any::<u32>()).prop_map(|(once, events)| OnceEvent::Did { once, events }),
        answered.prop_map(OnceEvent::Answered),
    ]
}
