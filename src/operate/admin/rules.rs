//! What each route of the admin port needs and is about. The one table of it: what is not in here can't
//! be reached. Pure.

use http::Method;
use infergate_actors::account::{CodeKind, OperatorRole};

/// One method of one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) method: Verb,
    /// As the router has it.
    pub(super) path: &'static str,
    /// What it is called in the audit log.
    pub(super) action: &'static str,
    pub(super) needs: Permission,
    pub(super) subject: Subject,
    pub(super) repeat: Repeat,
}

/// A method that the admin API has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Also of `HEAD`.
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// What a role may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// What everybody with a token may.
    Nothing,
    /// Looking at everything but the audit log.
    Read,
    /// Reading the audit log.
    Audit,
    /// Credit, payments, refunds, codes.
    Money,
    /// Suspending, restricting, closing and reinstating accounts.
    Status,
    /// Keys.
    Keys,
    /// Everything else that changes something.
    Settings,
    /// Making and revoking operators' tokens.
    Tokens,
}

/// What a route is about: what has a version, and a before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// None, or one that has no settings.
    Nothing,
    /// Its `{account}`.
    Account,
    /// The `account` that its body names.
    AccountInBody,
    /// Its `{account}` and `{key}`.
    Key,
    /// Its `{account}` and `{project}`.
    Project,
    /// Its `{account}` and `{member}`.
    Member,
    /// What its `{account}` is watched for; also told: the top-up that is due.
    Watch,
    /// Its `{account}` and `{webhook}`.
    Webhook,
    /// Its `{batch}`, of codes or of invites.
    Batch(CodeKind),
    /// Its `{token}`.
    Token,
    /// Its `{provider}`.
    Provider,
}

/// What becomes of one with an idempotency key that broke off before its answer was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// What it did to accounts is marked in their journals, found, and told; done again only if there is
    /// nothing.
    Marked,
    /// It is done again: that changes nothing, by its nature or since the resource itself sees to it.
    Again,
}

use Permission::{Audit, Keys, Money, Nothing, Read, Settings, Status, Tokens};
use Repeat::{Again, Marked};
use Verb::{Delete, Get, Patch, Post};

/// Every route that needs a token.
pub(super) const RULES: &[Rule] = &[
    look("/admin/v1/actors", "actors.list", Read),
    rule(Post, "/admin/v1/snapshot", "snapshot.take", Settings).again(),
    rule(Post, "/admin/v1/explain", "explain", Read).again(),
    rule(Post, "/admin/v1/ledger/verify", "ledger.verify", Read).again(),
    look("/admin/v1/cache", "cache.show", Read),
    rule(Delete, "/admin/v1/cache", "cache.purge", Settings).again(),
    look("/admin/v1/providers", "provider.list", Read),
    look("/admin/v1/providers/{provider}", "provider.show", Read).of(Subject::Provider),
    rule(Post, "/admin/v1/providers/{provider}/open", "provider.open", Settings)
        .of(Subject::Provider)
        .again(),
    rule(Post, "/admin/v1/providers/{provider}/close", "provider.close", Settings)
        .of(Subject::Provider)
        .again(),
    rule(Post, "/admin/v1/providers/{provider}/drain", "provider.drain", Settings)
        .of(Subject::Provider)
        .again(),
    rule(
        Post,
        "/admin/v1/providers/{provider}/credentials/{fingerprint}/enable",
        "provider.credential.enable",
        Settings,
    )
    .of(Subject::Provider)
    .again(),
    look("/admin/v1/accounts", "account.list", Read),
    rule(Post, "/admin/v1/accounts", "account.create", Settings),
    look("/admin/v1/accounts/{account}", "account.show", Read).of(Subject::Account),
    rule(Patch, "/admin/v1/accounts/{account}", "account.change", Settings)
        .of(Subject::Account)
        .again(),
    look("/admin/v1/accounts/{account}/journal", "account.journal", Read),
    look("/admin/v1/accounts/{account}/statement", "account.statement", Read),
    rule(Post, "/admin/v1/accounts/{account}/suspend", "account.suspend", Status)
        .of(Subject::Account),
    rule(Post, "/admin/v1/accounts/{account}/reinstate", "account.reinstate", Status)
        .of(Subject::Account),
    rule(Post, "/admin/v1/accounts/{account}/restrict", "account.restrict", Status)
        .of(Subject::Account),
    rule(Post, "/admin/v1/accounts/{account}/close", "account.close", Status).of(Subject::Account),
    rule(Post, "/admin/v1/accounts/{account}/grants", "grant.create", Money).of(Subject::Account),
    look("/admin/v1/accounts/{account}/payments", "payment.list", Read),
    rule(Post, "/admin/v1/accounts/{account}/refunds", "refund.create", Money)
        .of(Subject::Account)
        .again(),
    rule(Post, "/admin/v1/accounts/{account}/redeem", "code.redeem", Money)
        .of(Subject::Account)
        .again(),
    look("/admin/v1/codes", "code.list", Read),
    rule(Post, "/admin/v1/codes", "code.create", Money),
    look("/admin/v1/codes/{batch}", "code.show", Read).of(Subject::Batch(CodeKind::Credit)),
    rule(Delete, "/admin/v1/codes/{batch}", "code.revoke", Money)
        .of(Subject::Batch(CodeKind::Credit))
        .again(),
    rule(Post, "/admin/v1/payments/events", "payment.event", Money)
        .of(Subject::AccountInBody)
        .again(),
    look("/admin/v1/usage", "usage.list", Read),
    look("/admin/v1/accounts/{account}/keys", "key.list", Read),
    rule(Post, "/admin/v1/accounts/{account}/keys", "key.create", Keys),
    look("/admin/v1/accounts/{account}/keys/{key}", "key.show", Read).of(Subject::Key),
    rule(Patch, "/admin/v1/accounts/{account}/keys/{key}", "key.change", Keys)
        .of(Subject::Key)
        .again(),
    rule(Delete, "/admin/v1/accounts/{account}/keys/{key}", "key.revoke", Keys)
        .of(Subject::Key)
        .again(),
    rule(Post, "/admin/v1/accounts/{account}/keys/{key}/rotate", "key.rotate", Keys)
        .of(Subject::Key),
    rule(Post, "/admin/v1/accounts/{account}/keys/{key}/compromised", "key.compromised", Keys)
        .of(Subject::Key)
        .again(),
    rule(Post, "/admin/v1/accounts/{account}/keys/{key}/release", "key.release", Keys)
        .of(Subject::Key)
        .again(),
    look("/admin/v1/accounts/{account}/projects", "project.list", Read),
    rule(Post, "/admin/v1/accounts/{account}/projects", "project.create", Settings),
    look("/admin/v1/accounts/{account}/projects/{project}", "project.show", Read)
        .of(Subject::Project),
    rule(Patch, "/admin/v1/accounts/{account}/projects/{project}", "project.change", Settings)
        .of(Subject::Project)
        .again(),
    rule(
        Post,
        "/admin/v1/accounts/{account}/projects/{project}/archive",
        "project.archive",
        Settings,
    )
    .of(Subject::Project)
    .again(),
    rule(
        Post,
        "/admin/v1/accounts/{account}/projects/{project}/restore",
        "project.restore",
        Settings,
    )
    .of(Subject::Project)
    .again(),
    look("/admin/v1/accounts/{account}/members", "member.list", Read),
    rule(Post, "/admin/v1/accounts/{account}/members", "member.add", Settings),
    look("/admin/v1/accounts/{account}/members/{member}", "member.show", Read).of(Subject::Member),
    rule(Patch, "/admin/v1/accounts/{account}/members/{member}", "member.change", Settings)
        .of(Subject::Member)
        .again(),
    rule(Delete, "/admin/v1/accounts/{account}/members/{member}", "member.remove", Settings)
        .of(Subject::Member)
        .again(),
    look("/admin/v1/accounts/{account}/subscription", "subscription.show", Read),
    rule(Post, "/admin/v1/accounts/{account}/subscription", "subscription.start", Money)
        .of(Subject::Account),
    rule(Patch, "/admin/v1/accounts/{account}/subscription", "subscription.change", Money)
        .of(Subject::Account)
        .again(),
    look("/admin/v1/accounts/{account}/subscription/preview", "subscription.preview", Read),
    look("/admin/v1/plans", "plan.list", Read),
    look("/admin/v1/invites", "invite.list", Read),
    rule(Post, "/admin/v1/invites", "invite.create", Settings),
    look("/admin/v1/invites/{batch}", "invite.show", Read).of(Subject::Batch(CodeKind::Invite)),
    rule(Delete, "/admin/v1/invites/{batch}", "invite.revoke", Settings)
        .of(Subject::Batch(CodeKind::Invite))
        .again(),
    look("/admin/v1/accounts/{account}/watch", "watch.show", Read).of(Subject::Watch),
    rule(Patch, "/admin/v1/accounts/{account}/watch", "watch.change", Settings)
        .of(Subject::Watch)
        .again(),
    rule(Post, "/admin/v1/accounts/{account}/top-ups/{top_up}/fail", "top_up.fail", Money)
        .of(Subject::Watch)
        .again(),
    look("/admin/v1/accounts/{account}/webhooks", "account_webhook.list", Read),
    rule(Post, "/admin/v1/accounts/{account}/webhooks", "account_webhook.create", Settings),
    look("/admin/v1/accounts/{account}/webhooks/{webhook}", "account_webhook.show", Read)
        .of(Subject::Webhook),
    rule(
        Patch,
        "/admin/v1/accounts/{account}/webhooks/{webhook}",
        "account_webhook.change",
        Settings,
    )
    .of(Subject::Webhook)
    .again(),
    rule(
        Delete,
        "/admin/v1/accounts/{account}/webhooks/{webhook}",
        "account_webhook.remove",
        Settings,
    )
    .of(Subject::Webhook)
    .again(),
    rule(
        Post,
        "/admin/v1/accounts/{account}/webhooks/{webhook}/rotate-secret",
        "account_webhook.rotate",
        Settings,
    )
    .of(Subject::Webhook),
    look("/admin/v1/webhooks", "webhook.list", Read),
    look("/admin/v1/webhooks/{webhook}", "webhook.show", Read),
    rule(Post, "/admin/v1/webhooks/{webhook}/replay", "webhook.replay", Settings).again(),
    rule(Post, "/admin/v1/webhooks/{webhook}/test", "webhook.test", Settings).again(),
    look("/admin/v1/events", "event.list", Read),
    look("/admin/v1/tokens", "token.list", Tokens),
    rule(Post, "/admin/v1/tokens", "token.create", Tokens),
    look("/admin/v1/tokens/self", "token.self", Nothing),
    look("/admin/v1/tokens/{token}", "token.show", Tokens).of(Subject::Token),
    rule(Delete, "/admin/v1/tokens/{token}", "token.revoke", Tokens).of(Subject::Token).again(),
    rule(Post, "/admin/v1/tokens/{token}/rotate", "token.rotate", Tokens).of(Subject::Token),
    look("/admin/v1/audit", "audit.list", Audit),
];

const fn look(path: &'static str, action: &'static str, needs: Permission) -> Rule {
    rule(Get, path, action, needs)
}

const fn rule(method: Verb, path: &'static str, action: &'static str, needs: Permission) -> Rule {
    Rule { method, path, action, needs, subject: Subject::Nothing, repeat: Marked }
}

impl Rule {
    const fn of(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }

    const fn again(mut self) -> Self {
        self.repeat = Again;
        self
    }

    /// Of a method and a path of the router.
    pub(super) fn find(method: &Method, path: &str) -> Option<&'static Self> {
        Self::at(Verb::of(method)?, path)
    }

    /// The same of its verb.
    pub(super) fn at(verb: Verb, path: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.method == verb && rule.path == path)
    }

    /// The methods that a path of the router takes, as the header `allow` names them.
    pub(super) fn allowed(path: &str) -> String {
        let methods = RULES.iter().filter(|rule| rule.path == path).map(|rule| rule.method.names());
        methods.collect::<Vec<_>>().join(",")
    }
}

impl Verb {
    fn of(method: &Method) -> Option<Self> {
        Some(match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ => return None,
        })
    }

    /// By its name in a document.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "get" => Self::Get,
            "post" => Self::Post,
            "put" => Self::Put,
            "patch" => Self::Patch,
            "delete" => Self::Delete,
            _ => return None,
        })
    }

    fn names(self) -> &'static str {
        match self {
            Self::Get => "GET,HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl Permission {
    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Read => "read",
            Self::Audit => "audit",
            Self::Money => "money",
            Self::Status => "status",
            Self::Keys => "keys",
            Self::Settings => "settings",
            Self::Tokens => "tokens",
        }
    }

    /// Whether a role has it.
    pub(super) fn is_of(self, role: OperatorRole) -> bool {
        match (role, self) {
            (OperatorRole::Owner, _) | (_, Nothing | Read) => true,
            (OperatorRole::Admin, needs) => needs != Tokens,
            (OperatorRole::Billing, needs) => needs == Money,
            (OperatorRole::Support, needs) => matches!(needs, Status | Keys),
            (OperatorRole::ReadOnly, needs) => needs == Audit,
        }
    }

    /// The roles that have it, for people.
    pub(super) fn roles(self) -> String {
        let roles =
            OperatorRole::ALL.into_iter().filter(|role| self.is_of(*role)).map(OperatorRole::name);
        roles.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_what_they_are_for_and_no_more() {
        let all = [Nothing, Read, Audit, Money, Status, Keys, Settings, Tokens];
        let of =
            |role: OperatorRole| all.into_iter().filter(|it| it.is_of(role)).collect::<Vec<_>>();
        assert_eq!(of(OperatorRole::Owner), all);
        assert_eq!(of(OperatorRole::Admin), [Nothing, Read, Audit, Money, Status, Keys, Settings]);
        assert_eq!(of(OperatorRole::Billing), [Nothing, Read, Money]);
        assert_eq!(of(OperatorRole::Support), [Nothing, Read, Status, Keys]);
        assert_eq!(of(OperatorRole::ReadOnly), [Nothing, Read, Audit]);
        assert_eq!(Money.roles(), "owner, admin, billing");
    }

    #[test]
    fn a_route_has_one_rule_and_an_action_one_name() {
        for (at, rule) in RULES.iter().enumerate() {
            let others = || RULES.iter().skip(at + 1);
            let same = others().find(|it| (it.method, it.path) == (rule.method, rule.path));
            assert!(same.is_none(), "{:?} {}", rule.method, rule.path);
            assert!(others().all(|it| it.action != rule.action), "{}", rule.action);
            assert!(rule.path.starts_with("/admin/v1/"), "{}", rule.path);
        }
    }

    #[test]
    fn what_changes_something_that_is_there_says_what_and_can_be_looked_at() {
        for rule in RULES.iter().filter(|rule| rule.method != Get && rule.path.contains('{')) {
            let is_new = [".create", ".add"].iter().any(|end| rule.action.ends_with(end));
            // These change nothing of a webhook, and send it something.
            let is_sending = ["webhook.replay", "webhook.test"].contains(&rule.action);
            let has_subject = rule.subject != Subject::Nothing;
            assert_eq!(has_subject, !is_sending && (!is_new || is_money(rule)), "{}", rule.action);
            let is_shown = |it: &Rule| it.method == Get && it.subject == rule.subject;
            assert!(!has_subject || RULES.iter().any(is_shown), "no version of {}", rule.action);
        }
    }

    /// Whether it makes what its account is told by.
    fn is_money(rule: &Rule) -> bool {
        rule.needs == Money
    }

    #[test]
    fn what_only_looks_needs_no_more_than_looking() {
        for rule in RULES.iter().filter(|rule| rule.method == Get) {
            assert!(matches!(rule.needs, Nothing | Read | Audit | Tokens), "{}", rule.path);
        }
    }
}
