//! What the clients' port serves: one list for the front door and for its document.

use http::Method;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::chat_schema::{asks_chat, completion};
use super::lookup;
use crate::dialect::chat;
use crate::exchange::Explained;
use crate::openapi::{Common, Doc, Document, Errors, Operation, Served, doc};
use crate::owner;

/// One path and its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Chat,
    Explain,
    Models,
    Model,
    Generation,
    Credits,
    Key,
    Alive,
    Ready,
    Document,
}

/// What comes before the paths of the owners' API.
pub(super) const OWNERS: &str = "/api/v1/";

/// What comes before a model's name in a path.
pub(super) const MODEL: &str = "/v1/models/";

impl Endpoint {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::Chat,
        Self::Explain,
        Self::Models,
        Self::Model,
        Self::Generation,
        Self::Credits,
        Self::Key,
        Self::Alive,
        Self::Ready,
        Self::Document,
    ];

    /// The one at `path`.
    pub(super) fn at(path: &str) -> Option<Self> {
        let has = |endpoint: &Self| endpoint.path() == path;
        let model = || path.starts_with(MODEL).then_some(Self::Model);
        Self::ALL.into_iter().find(has).or_else(model)
    }

    /// Its path.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Explain => "/v1/explain",
            Self::Models => "/v1/models",
            Self::Model => "/v1/models/{model}",
            Self::Generation => "/v1/generation",
            Self::Credits => "/v1/credits",
            Self::Key => "/v1/key",
            Self::Alive => "/healthz",
            Self::Ready => "/readyz",
            Self::Document => "/openapi.json",
        }
    }

    /// The method that it takes.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Chat | Self::Explain => Method::POST,
            Self::Models
            | Self::Model
            | Self::Generation
            | Self::Credits
            | Self::Key
            | Self::Alive
            | Self::Ready
            | Self::Document => Method::GET,
        }
    }

    fn served(self) -> Served {
        let (tag, describe, doc) = match self {
            Self::Chat => ("Chat", asks_chat as fn(&mut Operation<'_>), chat_doc()),
            Self::Explain => ("Chat", asks_chat as _, explain_doc()),
            Self::Models => ("Models", asks_nothing as _, models_doc()),
            Self::Model => ("Models", asks_model as _, model_doc()),
            Self::Generation => ("Account", lookup::asks_generation as _, lookup::generation_doc()),
            Self::Credits => ("Account", asks_nothing as _, lookup::credits_doc()),
            Self::Key => ("Account", asks_nothing as _, lookup::key_doc()),
            Self::Alive => {
                ("System", asks_nothing as _, health("getHealth", "Tells that the process runs."))
            }
            Self::Ready => (
                "System",
                asks_nothing as _,
                health("getReadiness", "Tells whether requests are taken."),
            ),
            Self::Document => ("System", asks_nothing as _, document_doc()),
        };
        let method = if self.method() == Method::POST { "post" } else { "get" };
        Served { tag, path: self.path().to_owned(), method, describe, doc }
    }
}

/// The document of the clients' port.
pub(crate) fn document() -> Value {
    let document = Document {
        title: "InferGate: the API for clients",
        description: "For whoever has a key. The paths below `/v1` are those of OpenAI and \
                      OpenRouter, and refuse as OpenAI does; those below `/api/v1` refuse with \
                      problem details (RFC 9457).",
        bearer: "An API key.",
        tags: &[
            ("Account", "What the key's account was given and has used, and what it may spend."),
            ("Chat", "Chat completions, and where they would go."),
            ("Keys", "The account's keys, and the key that asks."),
            ("Members", "The account's people, and their roles."),
            ("Models", "What the key may use, at which prices."),
            ("Projects", "Parts of the account with budgets of their own."),
            ("Signing up", "An account of one's own."),
            ("System", "Health, and this document."),
            (
                "Webhooks",
                "What the account is watched for, what has happened to it, and who is told.",
            ),
        ],
        refusals: &[401, 403, 429, 503],
        faults: &[],
        common: |served| {
            let is_owners = served.path.starts_with(OWNERS);
            if is_owners { owner::in_common(served) } else { Common::default() }
        },
    };
    let mut served: Vec<Served> = Endpoint::ALL.into_iter().map(Endpoint::served).collect();
    served.extend(owner::served());
    document.of(&served)
}

fn openai(id: &'static str, summary: &'static str) -> Doc {
    let says = "What the exchange is known by.";
    doc(id, summary).errors(Errors::Envelope).header("x-request-id", "string", says)
}

fn chat_doc() -> Doc {
    openai("createChatCompletion", "Asks a model, as OpenAI's chat completions do.")
        .answers_as(200, "application/json", completion)
        .sends(200, "text/event-stream; charset=utf-8")
        .refuses(&[400, 402, 404, 408, 409, 413, 415, 422, 500, 502, 504])
        .header("x-infergate-cost", "string", "What was charged, in dollars; not of a stream.")
        .header("x-infergate-model", "string", "The model that answered.")
        .header("x-infergate-provider", "string", "The provider that answered.")
        .header("x-infergate-attempts", "string", "How many attempts at providers it took.")
        .header("x-infergate-trail", "string", "Those attempts, and what came of each.")
        .header("x-infergate-cache", "string", "`hit`, `joined` or `miss`.")
        .example(json!({
            "model": "sim-small", "messages": [{ "role": "user", "content": "Hello!" }],
        }))
}

fn explain_doc() -> Doc {
    openai(
        "explainChatCompletion",
        "Tells where a chat completion would go, and why. It costs nothing.",
    )
    .answers::<Explanation>(200)
    .refuses(&[400, 404, 408, 413, 415])
}

fn models_doc() -> Doc {
    openai("listModels", "Lists the models that the key may use.")
        .answers::<chat::ModelList<'_>>(200)
}

fn model_doc() -> Doc {
    openai("getModel", "Shows a model that the key may use.")
        .answers::<chat::Model<'_>>(200)
        .refuses(&[402, 404])
}

fn health(id: &'static str, summary: &'static str) -> Doc {
    openai(id, summary)
        .answers_as(200, "application/json", |_| {
            json_schema!({
                "type": "object",
                "properties": { "status": { "const": "ok" } },
                "required": ["status"],
            })
        })
        .refuses(&[503])
        .open()
}

fn document_doc() -> Doc {
    let any = |_: &mut SchemaGenerator| json_schema!({ "type": "object" });
    openai("getOpenapi", "Gives this document.").answers_as(200, "application/json", any).open()
}

fn asks_nothing(_: &mut Operation<'_>) {}

fn asks_model(operation: &mut Operation<'_>) {
    operation.path("model", None, "The model's name; a slash may be written `%2F`.");
}

/// Where a request would go, by the models that it names.
#[derive(Serialize, JsonSchema)]
pub(super) struct Explanation {
    pub(super) models: Vec<Explained>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_is_found_at_its_path() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::at(endpoint.path()), Some(endpoint));
        }
        assert_eq!(Endpoint::at("/v1/models/a/b"), Some(Endpoint::Model));
        assert_eq!(Endpoint::at("/v1"), None);
    }
}
