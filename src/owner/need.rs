//! What a change takes of whoever asks for it, route by route.
//!
//! Each handler says so too, and more where it depends on what is asked. This is for what comes before a
//! handler, or in its place: a version that is compared, an answer that is given again.

use http::Method;
use infergate_actors::account::Permission;

use super::principal::Principal;
use crate::api::Problem;

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// To be there.
    Nothing,
    /// A permission.
    May(Permission),
    /// To manage keys, also with a former secret.
    Revoke,
    /// To manage keys, and to have no budget of one's own.
    GiveKeys,
}

/// Of each path, and of each below it, for all methods but those of [`EXCEPTIONS`].
const NEEDS: [(&str, Need); 9] = [
    ("/api/v1/account", Need::May(Permission::ManageMoney)),
    ("/api/v1/key", Need::Nothing),
    ("/api/v1/keys", Need::GiveKeys),
    ("/api/v1/keys/{key}", Need::May(Permission::ManageKeys)),
    ("/api/v1/members", Need::May(Permission::ManageMembers)),
    ("/api/v1/projects", Need::May(Permission::ManageProjects)),
    ("/api/v1/redeem", Need::May(Permission::ManageMoney)),
    ("/api/v1/watch", Need::May(Permission::ManageMoney)),
    ("/api/v1/webhooks", Need::May(Permission::ManageWebhooks)),
];
/// Of one method of a path.
const EXCEPTIONS: [(Method, &str, Need); 1] =
    [(Method::DELETE, "/api/v1/keys/{key}", Need::Revoke)];

/// Refuses whoever may not change anything there, as the handler would: neither a version nor what was
/// answered is for them to learn. `path` is as the router has it.
pub(super) fn may_change(
    principal: &Principal,
    method: &Method,
    path: &str,
) -> Result<(), Problem> {
    match Need::of(method, path) {
        Some(Need::Nothing) => Ok(()),
        Some(Need::May(permission)) => principal.may(permission),
        Some(Need::Revoke) => principal.may_revoke(),
        Some(Need::GiveKeys) => {
            principal.may(Permission::ManageKeys)?;
            principal.may_give_keys()
        }
        None => Err(Problem::forbidden("nobody changes anything here")),
    }
}

/// Whether a path is this one, or below it.
pub(super) fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Need {
    /// Of a route; of the paths that are above it, the nearest says.
    fn of(method: &Method, path: &str) -> Option<Self> {
        let exception = EXCEPTIONS.iter().find(|(of, at, _)| of == method && *at == path);
        if let Some((.., need)) = exception {
            return Some(*need);
        }
        let above = NEEDS.iter().filter(|(top, _)| is_below(path, top));
        above.max_by_key(|(top, _)| top.len()).map(|(_, need)| *need)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::turn::is_apart;

    #[test]
    fn every_route_that_changes_something_says_what_it_takes() {
        for served in crate::owner::served() {
            let method: Method = served.method.to_uppercase().parse().unwrap();
            if method == Method::GET || is_apart(&served.path) {
                continue;
            }
            assert!(Need::of(&method, &served.path).is_some(), "{method} {}", served.path);
        }
        for (top, _) in NEEDS {
            let is_at = |path: &str| path == top;
            assert!(crate::owner::served().iter().any(|it| is_at(&it.path)), "{top} is no route");
        }
        for (method, path, need) in [
            (Method::POST, "/api/v1/keys", Need::GiveKeys),
            (Method::DELETE, "/api/v1/keys/{key}", Need::Revoke),
            (Method::PATCH, "/api/v1/keys/{key}", Need::May(Permission::ManageKeys)),
            (Method::POST, "/api/v1/keys/{key}/rotate", Need::May(Permission::ManageKeys)),
            (Method::DELETE, "/api/v1/key", Need::Nothing),
            (Method::POST, "/api/v1/redeem", Need::May(Permission::ManageMoney)),
        ] {
            assert_eq!(Need::of(&method, path), Some(need), "{method} {path}");
        }
        assert_eq!(Need::of(&Method::POST, "/api/v1/elsewhere"), None);
    }
}
