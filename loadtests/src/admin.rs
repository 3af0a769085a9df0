//! A typed client of the gateway's admin API, as far as scenarios use it.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::journal::Record;
use crate::rest::{Error, Rest};
use crate::table::usd;

/// Events asked for at a time.
const PAGE: usize = 1_000;
/// Pages that are read at most.
const PAGES_MAX: usize = 10_000;

/// The admin API of one gateway.
#[derive(Clone, Debug)]
pub struct Admin {
    rest: Rest,
}

/// An account's live state. Amounts are nano-dollars.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// `acct_…`.
    pub id: String,
    /// All credit that was ever added.
    #[serde(rename = "granted_nano_usd")]
    pub granted: i64,
    /// All that was ever charged.
    #[serde(rename = "settled_nano_usd")]
    pub settled: i64,
    /// All that the operator paid because the account could not.
    #[serde(rename = "absorbed_nano_usd", default)]
    pub absorbed: i64,
    /// All credit that lapsed.
    #[serde(rename = "expired_nano_usd", default)]
    pub expired: i64,
    /// What is left.
    #[serde(rename = "balance_nano_usd")]
    pub balance: i64,
    /// What of it is set aside.
    #[serde(rename = "held_nano_usd")]
    pub held: i64,
    /// What of it is not.
    #[serde(rename = "available_nano_usd")]
    pub available: i64,
    /// What is set aside, one by one.
    #[serde(default)]
    pub holds: Vec<Value>,
    /// Its projects, in the order they were created.
    #[serde(default)]
    pub projects: Vec<Part>,
    /// Its keys, likewise.
    #[serde(default)]
    pub keys: Vec<Part>,
}

/// A project, or a key, with a budget in total.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Part {
    buckets: Buckets,
    budgets: Budgets,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Buckets {
    in_flight: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Budgets {
    total: Option<Budget>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Budget {
    #[serde(rename = "spent_nano_usd")]
    spent: i64,
    #[serde(rename = "held_nano_usd")]
    held: i64,
}

impl Part {
    /// Requests under way.
    pub fn in_flight(&self) -> u64 {
        self.buckets.in_flight
    }

    /// What was spent of its budget, in nano-dollars.
    pub fn spent(&self) -> i64 {
        self.budgets.total.as_ref().map_or(0, |budget| budget.spent)
    }

    /// What open holds may still spend, in nano-dollars.
    pub fn held(&self) -> i64 {
        self.budgets.total.as_ref().map_or(0, |budget| budget.held)
    }
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

#[derive(Deserialize)]
struct CreatedKey {
    secret: String,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Record>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Verified {
    ok: bool,
}

impl Admin {
    /// The API behind `rest`.
    pub fn new(rest: Rest) -> Self {
        Self { rest }
    }

    /// Opens an account; its id.
    pub async fn open_account(&self, name: &str) -> Result<String, Error> {
        let body = json!({ "name": name }).to_string();
        let created: Created =
            self.rest.call(Method::POST, "/admin/v1/accounts", Some(body)).await?;
        Ok(created.id)
    }

    /// Adds credit.
    pub async fn grant(&self, account: &str, nano: i64, reference: &str) -> Result<(), Error> {
        let body = json!({ "amount_nano_usd": nano, "kind": "paid", "reference": reference });
        let path = format!("/admin/v1/accounts/{account}/grants");
        self.rest.call::<Value>(Method::POST, &path, Some(body.to_string())).await.map(drop)
    }

    /// Creates a key; its secret.
    pub async fn create_key(&self, account: &str, name: &str) -> Result<String, Error> {
        let path = format!("/admin/v1/accounts/{account}/keys");
        let body = json!({ "name": name }).to_string();
        let created: CreatedKey = self.rest.call(Method::POST, &path, Some(body)).await?;
        Ok(created.secret)
    }

    /// Opens an account with credit and a key; its id and the key's secret.
    pub async fn customer(&self, name: &str, nano: i64) -> Result<(String, String), Error> {
        let account = self.open_account(name).await?;
        self.grant(&account, nano, &format!("credit of {name}")).await?;
        let secret = self.create_key(&account, name).await?;
        Ok((account, secret))
    }

    /// Lets an account, or the first of its keys, spend so much in total.
    pub async fn set_budget(&self, account: &str, of_key: bool, nano: i64) -> Result<(), Error> {
        let key = if of_key { "/keys/key_1" } else { "" };
        let path = format!("/admin/v1/accounts/{account}{key}");
        let body = json!({ "budgets": { "total_usd": usd(nano) } }).to_string();
        self.rest.call::<Value>(Method::PATCH, &path, Some(body)).await.map(drop)
    }

    /// Lets an account spend so much in total, and run so many requests at one time.
    pub async fn bound(
        &self,
        account: &str,
        nano: i64,
        in_flight: Option<u64>,
    ) -> Result<(), Error> {
        let path = format!("/admin/v1/accounts/{account}");
        let (budgets, limits) = bounds(nano, in_flight);
        let body = json!({ "budgets": budgets, "limits": limits }).to_string();
        self.rest.call::<Value>(Method::PATCH, &path, Some(body)).await.map(drop)
    }

    /// Creates a project with such bounds; its id.
    pub async fn create_project(
        &self,
        account: &str,
        nano: i64,
        in_flight: Option<u64>,
    ) -> Result<String, Error> {
        let path = format!("/admin/v1/accounts/{account}/projects");
        let (budgets, limits) = bounds(nano, in_flight);
        let body = json!({ "name": "project", "budgets": budgets, "limits": limits });
        let created: Created = self.rest.call(Method::POST, &path, Some(body.to_string())).await?;
        Ok(created.id)
    }

    /// Creates a key with such bounds in a project; its secret.
    pub async fn create_key_in(
        &self,
        account: &str,
        project: &str,
        nano: i64,
        in_flight: Option<u64>,
    ) -> Result<String, Error> {
        let path = format!("/admin/v1/accounts/{account}/keys");
        let (budgets, limits) = bounds(nano, in_flight);
        let body =
            json!({ "name": "key", "project": project, "budgets": budgets, "limits": limits });
        let created: CreatedKey =
            self.rest.call(Method::POST, &path, Some(body.to_string())).await?;
        Ok(created.secret)
    }

    /// An account's live state.
    pub async fn account(&self, account: &str) -> Result<Account, Error> {
        self.rest.call(Method::GET, &format!("/admin/v1/accounts/{account}"), None).await
    }

    /// An account's events behind the `after`-th, all of them.
    pub async fn journal(&self, account: &str, after: u64) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        let mut after = after.to_string();
        for _ in 0..PAGES_MAX {
            let path = format!("/admin/v1/accounts/{account}/journal?after={after}&limit={PAGE}");
            let page: Page = self.rest.call(Method::GET, &path, None).await?;
            records.extend(page.events);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(records)
    }

    /// A provider's state, as it is.
    pub async fn provider(&self, name: &str) -> Result<Value, Error> {
        self.rest.call(Method::GET, &format!("/admin/v1/providers/{name}"), None).await
    }

    /// Whether the gateway finds its own ledger sound.
    pub async fn verify(&self) -> Result<bool, Error> {
        let path = "/admin/v1/ledger/verify";
        let verified: Verified = self.rest.call(Method::POST, path, None).await?;
        Ok(verified.ok)
    }

    /// Takes a snapshot now.
    pub async fn snapshot(&self) -> Result<(), Error> {
        self.rest.call::<Value>(Method::POST, "/admin/v1/snapshot", None).await.map(drop)
    }
}

/// A budget in total and a limit on requests at one time, as the API takes them.
fn bounds(nano: i64, in_flight: Option<u64>) -> (Value, Value) {
    (json!({ "total_usd": usd(nano) }), json!({ "in_flight": in_flight }))
}

/// The first word in `provider` that names a breaker's state, wherever it stands.
pub fn breaker_state(provider: &Value) -> Option<&str> {
    match provider {
        Value::String(word) => {
            let states = ["passing", "shut", "probing"];
            states.contains(&word.as_str()).then_some(word.as_str())
        }
        Value::Array(values) => values.iter().find_map(breaker_state),
        Value::Object(fields) => fields.values().find_map(breaker_state),
        _ => None,
    }
}
