//! When two requests are the same: by a hash over everything that an answer may depend on. Pure.

use infergate_actors::id::{AccountId, KeyId};
use sha2::{Digest as _, Sha256};

use crate::config::CacheScope;
use crate::dialect::wish::Wish;

/// What a request is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// A request, as far as its answer depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) scope: CacheScope,
    pub(super) account: AccountId,
    pub(super) key: KeyId,
    /// The public name of the model asked for.
    pub(super) model: &'a str,
    /// How the client narrows where it may go.
    pub(super) wish: &'a Wish,
    /// The body as it came.
    pub(super) body: &'a [u8],
}

impl Key {
    /// The key of `request`. Each part has its length before it, so that no two requests run together
    /// into the same bytes.
    pub(super) fn of(request: &Request<'_>) -> Self {
        let Request { scope, account, key, model, wish, body } = request;
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        };
        match scope {
            CacheScope::Gateway => add(b"gateway"),
            CacheScope::Account => {
                add(b"account");
                add(&account.0.to_be_bytes());
            }
            CacheScope::Key => {
                add(b"key");
                add(&account.0.to_be_bytes());
                add(&key.0.to_be_bytes());
            }
        }
        add(model.as_bytes());
        // Keys live as long as the process: how a wish is written down need only be the same within
        // it, and this way no member of it is forgotten. A session changes no answer.
        let wish = Wish { session: None, ..(*wish).clone() };
        if wish != Wish::default() {
            add(format!("{wish:?}").as_bytes());
        }
        add(body);
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(scope: CacheScope, caller: (u64, u32), model: &str, tags: &[&str], body: &str) -> Key {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let wish = Wish { tags, session: Some(format!("{caller:?}")), ..Wish::default() };
        let (account, key) = (AccountId(caller.0), KeyId(caller.1));
        let body = body.as_bytes();
        Key::of(&Request { scope, account, key, model, wish: &wish, body })
    }

    #[test]
    fn a_scope_says_whose_requests_can_be_the_same() {
        let of = |scope, caller| key(scope, caller, "m", &[], "{}");
        let (gateway, account) = (CacheScope::Gateway, CacheScope::Account);
        assert_eq!(of(gateway, (1, 1)), of(gateway, (2, 1)));
        assert_eq!(of(account, (1, 1)), of(account, (1, 2)));
        assert_ne!(of(account, (1, 1)), of(account, (2, 1)));
        assert_eq!(of(CacheScope::Key, (1, 1)), of(CacheScope::Key, (1, 1)));
        assert_ne!(of(CacheScope::Key, (1, 1)), of(CacheScope::Key, (1, 2)));
        assert_ne!(of(CacheScope::Key, (1, 1)), of(account, (1, 1)));
    }

    #[test]
    fn a_request_is_another_with_another_wish_but_not_in_another_session() {
        let of = |caller, tags| key(CacheScope::Gateway, caller, "m", tags, "{}");
        assert_eq!(of((1, 1), &[]), of((2, 2), &[]));
        assert_ne!(of((1, 1), &[]), of((1, 1), &["fast"]));
    }

    proptest! {
        #[test]
        fn only_the_same_bytes_are_the_same_request(
            one in ("[ab]{0,3}", "[ab]{0,3}"),
            other in ("[ab]{0,3}", "[ab]{0,3}"),
        ) {
            let of = |(model, body): &(String, String)| {
                key(CacheScope::Account, (1, 1), model, &[], body)
            };
            prop_assert_eq!(of(&one) == of(&other), one == other);
        }
    }
}
