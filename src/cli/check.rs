//! `infergate check`: everything that is wrong with a configuration, or what it means in short, with
//! what is most likely not meant.

use std::fmt;
use std::io;
use std::path::Path;

use infergate_actors::account::PlanTerms;
use infergate_actors::clock::Clock;

use super::{Console, Exit};
use crate::accept;
use crate::config::{Config, Durability, Kind};

/// What a good configuration comes to.
struct Summary<'c>(&'c Config);

pub(super) fn run(path: &Path, strict: bool, console: &mut Console<'_>) -> io::Result<Exit> {
    match Config::load(path, console.environment) {
        Ok(config) => {
            let tls = config.server.tls.as_ref();
            // The files are there: the configuration has seen to that. Whether they can be used?
            if let Some(Err(error)) =
                tls.map(|tls| accept::tls_acceptor(&tls.certificate, &tls.key))
            {
                write!(console.err, "{}: server.tls: ", path.display())?;
                console.explain(&error)?;
                return Ok(Exit::Wrong);
            }
            writeln!(console.out, "{} is good", path.display())?;
            console.out.block(&Summary(&config))?;
            let warnings = config.warnings(Clock::real().now().wall_ms);
            for warning in &warnings {
                writeln!(console.out, "  warning: {warning}")?;
            }
            Ok(if strict && !warnings.is_empty() { Exit::Wrong } else { Exit::Well })
        }
        Err(faults) => {
            console.err.block(&faults)?;
            Ok(Exit::Wrong)
        }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(config) = self;
        let tls = if config.server.tls.is_some() { " with TLS" } else { "" };
        writeln!(f, "  clients    {}{tls}", config.server.listen)?;
        writeln!(f, "  operator   {}", config.admin.listen)?;
        let durability = match config.store.durability {
            Durability::Process => "answers survive the process",
            Durability::Disk => "answers survive a loss of power",
        };
        writeln!(f, "  ledger     {} ({durability})", config.store.path.display())?;
        writeln!(f, "  providers  {} on", config.providers.len())?;
        for provider in &config.providers {
            let kind = match &provider.kind {
                Kind::Simulated { .. } => "inside this process".to_owned(),
                Kind::OpenAi { base_url, credentials } => match credentials.len() {
                    0 => format!("{base_url}, without a credential"),
                    1 => format!("{base_url}, 1 credential"),
                    count => format!("{base_url}, {count} credentials"),
                },
            };
            writeln!(f, "    {}: {kind}", provider.name)?;
        }
        if let Some(catalog) = &config.catalog {
            writeln!(f, "  catalogue  {}", catalog.display())?;
        }
        if !config.plans.all().is_empty() {
            let default = config.plans.default_plan().map(|plan| plan.name.as_str());
            let mark = |name: &str| if default == Some(name) { " (default)" } else { "" };
            let name = |plan: &PlanTerms| format!("{}{}", plan.name, mark(&plan.name));
            let names: Vec<String> = config.plans.all().iter().map(name).collect();
            writeln!(f, "  plans      {}", names.join(", "))?;
        }
        writeln!(f, "  models     {} on", config.models.len())?;
        for model in &config.models {
            let targets = model.route.tiers.iter().flatten();
            let route: Vec<String> = targets
                .map(|target| format!("{}/{}", target.provider_name, target.upstream_model))
                .collect();
            let free = if model.free { ", free" } else { "" };
            writeln!(f, "    {}{free}: {}", model.name, route.join(", "))?;
        }
        config.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}
