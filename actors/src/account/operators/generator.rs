//! Arbitrary events of operators, for tests of their format.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::id::{AccountId, ExchangeId, KeyHash, TokenId};
use crate::ledger::Digest;

fn asked() -> impl Strategy<Value = Box<Asked>> {
    let texts = any::<(String, String, String)>();
    let idempotency = any::<Option<(String, [u8; 16], bool)>>();
    (any::<(u32, u128, Option<IpAddr>, Option<u64>)>(), texts, idempotency).prop_map(
        |((token, request, address, account), (name, path, body), idempotency)| {
            Box::new(Asked {
                token: TokenId(token),
                action: name.clone(),
                method: name.clone(),
                name,
                role: OperatorRole::Billing,
                address,
                request: ExchangeId(request),
                path,
                account: account.map(AccountId),
                body,
                idempotency: idempotency.map(|(key, fingerprint, is_repeatable)| Idempotency {
                    key,
                    fingerprint: Digest(fingerprint),
                    is_repeatable,
                }),
            })
        },
    )
}

/// Any of them.
pub(crate) fn any_operator_event() -> impl Strategy<Value = OperatorEvent> {
    let token = any::<(u32, String, [u8; 32], Option<u64>, Option<([u8; 32], u64)>)>();
    let token = token.prop_map(|(id, name, hash, at_ms, former)| Token {
        id: TokenId(id),
        hint: name.clone(),
        name,
        role: OperatorRole::ReadOnly,
        hash: KeyHash(hash),
        created_at_ms: at_ms.unwrap_or(1),
        expires_at_ms: at_ms,
        revoked_at_ms: at_ms,
        former: former.map(|(hash, until_ms)| (KeyHash(hash), until_ms)),
    });
    let rotated = any::<(u32, [u8; 32], String, u64)>();
    let rotated = rotated.prop_map(|(token, hash, hint, former_until_ms)| RotatedToken {
        token: TokenId(token),
        hash: KeyHash(hash),
        hint,
        former_until_ms,
    });
    let kept = any::<Option<(String, Option<String>, Vec<u8>)>>();
    let deeds = any::<Vec<(u64, u64, u64)>>();
    let ended = (any::<(u64, Option<u16>, String)>(), kept, deeds).prop_map(
        |((action, status, changes), kept, deeds)| {
            let answer = kept.map(|(media_type, etag, body)| KeptAnswer { media_type, etag, body });
            let deed = |(account, first, last)| Deed { account: AccountId(account), first, last };
            let deeds = deeds.into_iter().map(deed).collect();
            Box::new(Ended { action, status, changes, answer, deeds })
        },
    );
    prop_oneof![
        token.prop_map(OperatorEvent::TokenCreated),
        rotated.prop_map(OperatorEvent::TokenRotated),
        any::<u32>().prop_map(|id| OperatorEvent::TokenRevoked { token: TokenId(id) }),
        asked().prop_map(OperatorEvent::Asked),
        ended.prop_map(OperatorEvent::Ended),
        (asked(), any::<u16>()).prop_map(|(asked, at)| OperatorEvent::NotBegun(asked, at)),
        any::<(u64, u32)>().prop_map(|(action, events)| OperatorEvent::Did { action, events }),
    ]
}
