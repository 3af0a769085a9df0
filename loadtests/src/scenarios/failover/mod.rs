//! The sixteen public failover scenarios, each streamed and not, against `InferGate` or any gateway that
//! speaks `OpenAI`'s chat completions: a first provider that fails, a fallback that does not.
//!
//! The judge has two witnesses: the caller, and the logs of the two simulated providers. Against
//! `InferGate` there is a third, its journal: every answer has one charge, at the usage of the provider
//! that gave it.

pub mod door;
pub mod judge;
mod money;
mod play;
mod scorecard;
mod setting;
pub mod sixteen;
pub mod transcript;

use std::net::SocketAddr;

use self::door::Door;
use self::judge::Observation;
use self::money::Books;
use self::play::Field;
use self::scorecard::Scorecard;
use self::sixteen::{Case, Sixteen};
use super::{AMPLE, Common, Error, PRICE, Stage, at_rest};
use crate::auditor::Book;
use crate::clock;
use crate::process::gateway::{Gateway, Setup};
use crate::table::{Report, Table};

/// What to play, and against whom.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How often, each time with fresh processes and data.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// Only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    scenarios: Vec<Sixteen>,
    /// Another gateway, which is running already, such as `http://127.0.0.1:4000/v1`. Then there is a
    /// scorecard and nothing else.
    #[arg(long, requires = "primary_listen", requires = "fallback_listen")]
    gateway_url: Option<String>,
    /// The key to call it with.
    #[arg(long, default_value = "none")]
    key: String,
    /// Where the first provider is to listen.
    #[arg(long)]
    primary_listen: Option<SocketAddr>,
    /// Where the fallback is to listen.
    #[arg(long)]
    fallback_listen: Option<SocketAddr>,
    /// The model to ask the gateway for.
    #[arg(long, default_value = "{scenario}")]
    model_pattern: String,
    /// A header to send with each request, such as `name: value with {scenario}`.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// Only print the models that the gateway must be configured with.
    #[arg(long)]
    print_models: bool,
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let scenarios = match (options.scenarios.as_slice(), common.small) {
        ([], true) => &Sixteen::FAST[..],
        ([], false) => &Sixteen::ALL[..],
        (chosen, _) => chosen,
    };
    let cases = Case::of(scenarios);
    let mut report = Report::default();
    if options.print_models {
        report.table(models(&cases));
        return Ok(report);
    }
    if options.gateway_url.is_some() && common.json.is_some() && common.subject.is_none() {
        let usage = "a result must say which gateway it is about: add --subject NAME";
        return Err(Error::Usage(usage.to_owned()));
    }
    let mut sums = Table::new("Failover: sums", scorecard::SUMS_HEAD);
    for run in 1..=options.runs.max(1) {
        let stage = Stage::new(common)?;
        let field = Field::start(&stage, options.primary_listen, options.fallback_listen).await?;
        // The first run's tables have the same titles however many there are, to be compared by.
        let name = if run > 1 { format!("run {run}: ") } else { String::new() };
        let card = if let Some(url) = &options.gateway_url {
            let door = Door::new(url, &options.key, &options.model_pattern, &options.headers)?;
            let card = Scorecard::new(&field.play(&door, &cases).await?);
            show(&card, &name, &mut report);
            card
        } else {
            own(&stage, &field, &cases, (run, &name), &mut report).await?
        };
        for row in scorecard::sum_rows(run, &card) {
            sums.row(row);
        }
    }
    report.table(sums);
    Ok(report)
}

fn show(card: &Scorecard, name: &str, report: &mut Report) {
    report.table(card.table(&format!("Failover: {name}scorecard")));
    report.table(card.reasons(&format!("Failover: {name}what did not pass")));
}

/// One run against a gateway of our own, with an audit.
async fn own(
    stage: &Stage,
    field: &Field,
    cases: &[Case],
    (run, name): (u32, &str),
    report: &mut Report,
) -> Result<Scorecard, Error> {
    let setup = Setup {
        providers: Vec::new(),
        models: Vec::new(),
        by_default: true,
        more: setting::toml(cases, field.primary.address(), field.fallback.address()),
        ..Setup::single("", PRICE, field.primary.address())
    };
    let gateway = stage.gateway(&format!("gateway-{run}"), &setup).await?;
    let (account, key) = gateway.admin().customer("failover", AMPLE).await?;
    let url = format!("http://{}/v1", gateway.address());
    let door = Door::new(&url, &key, "{scenario}", &[])?;
    let observed = field.play(&door, cases).await?;
    let card = Scorecard::new(&observed);
    show(&card, name, report);
    for (streamed, how) in [(true, "streamed"), (false, "not streamed")] {
        let text = format!("{name}every scenario passes, {how}");
        report.claim_none(text, card.not_passed(streamed));
    }
    audit(&gateway, &account, cases, &observed, name, report).await?;
    Ok(card)
}

/// Holds the account's journal against what was observed.
async fn audit(
    gateway: &Gateway,
    account: &str,
    cases: &[Case],
    observed: &[(Case, Observation)],
    name: &str,
    report: &mut Report,
) -> Result<(), Error> {
    let state = at_rest(gateway.admin(), account).await?;
    let records = gateway.admin().journal(account, 0).await?;
    let books = Books::new(&records, observed);
    report.table(books.table);
    report.claim_none(format!("{name}an answer has one charge, an error none"), books.charges);
    report.claim_none(format!("{name}every attempt is recorded at its cost"), books.attempts);
    let mut book = Book::new(cases.iter().map(|case| (case.name(), PRICE)));
    book.read(&records);
    book.account(&state, true);
    book.answers(&money::seen(observed, clock::now()), &money::logs(observed));
    let text = format!("{name}each charge is the usage of the provider that answered");
    report.claim_none(text, book.into_faults());
    let sound = gateway.admin().verify().await?;
    report.claim(format!("{name}the gateway finds its ledger sound"), sound, Vec::new());
    Ok(())
}

/// What a gateway must be configured with.
fn models(cases: &[Case]) -> Table {
    let head = ["model", "at the first provider", "at the fallback"];
    let mut table = Table::new("Models: the first provider, then the fallback", &head);
    for case in cases {
        table.row(vec![case.name(), case.name(), case.fallback_name()]);
    }
    table
}
