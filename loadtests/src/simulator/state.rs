//! What a running simulator knows: each model's behaviour, and the books.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use super::behaviour::{Behaviour, Plan, Wanted};
use super::stats::Stats;
use super::stream::Released;
use crate::random::Random;

/// Names a simulator keeps behaviours for, at most.
const MODELS_MAX: usize = 1_000;

/// Shared by all connections of one simulator.
#[derive(Debug)]
pub(super) struct State {
    /// In every answer's `id`, so that answers of several simulators can be told apart.
    pub(super) name: String,
    pub(super) stats: Arc<Stats>,
    /// Whether the data port is open.
    pub(super) listening: watch::Sender<bool>,
    models: RwLock<BTreeMap<Arc<str>, Arc<Model>>>,
    random: Mutex<Random>,
}

/// One model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: Arc<str>,
    script: watch::Sender<Arc<Script>>,
}

/// A behaviour and how many requests have met it.
#[derive(Debug, Default)]
struct Script {
    behaviour: Behaviour,
    met: AtomicU64,
}

/// There are too many models already.
#[derive(Debug, thiserror::Error)]
#[error("at most {MODELS_MAX} models can be scripted")]
pub(super) struct TooManyModels;

impl State {
    pub(super) fn new(name: String, log_capacity: usize) -> Self {
        let (random, _) = Random::from_system();
        Self {
            name,
            stats: Arc::new(Stats::new(log_capacity)),
            listening: watch::Sender::new(true),
            models: RwLock::default(),
            random: Mutex::new(random),
        }
    }

    /// The model of this name; a healthy one nobody scripted is made up for any name.
    pub(super) fn model(&self, name: &str) -> Arc<Model> {
        let known = {
            let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
            models.get(name).map(Arc::clone)
        };
        known.unwrap_or_else(|| {
            let model = Arc::new(Model::healthy(name));
            let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
            if models.len() < MODELS_MAX {
                return Arc::clone(models.entry(Arc::clone(&model.name)).or_insert(model));
            }
            model
        })
    }

    pub(super) fn set(&self, name: &str, behaviour: Behaviour) -> Result<(), TooManyModels> {
        let model = self.model(name);
        model.script.send_replace(Arc::new(Script { behaviour, met: AtomicU64::new(0) }));
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        if models.contains_key(name) { Ok(()) } else { Err(TooManyModels) }
    }

    /// Makes every model healthy, or the named one.
    pub(super) fn reset(&self, name: Option<&str>) {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        for model in models.values().filter(|model| name.is_none_or(|name| *model.name == *name)) {
            model.script.send_replace(Arc::default());
        }
    }

    pub(super) fn behaviours(&self) -> BTreeMap<String, Behaviour> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models
            .values()
            .map(|model| (model.name.to_string(), model.script.borrow().behaviour.clone()))
            .collect()
    }

    /// What the next request for `model` meets.
    pub(super) fn plan(&self, model: &Model, wanted: Wanted) -> Plan {
        let script = Arc::clone(&model.script.borrow());
        let index = script.met.fetch_add(1, Ordering::Relaxed);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        script.behaviour.plan(index, wanted, &mut random)
    }
}

impl Model {
    fn healthy(name: &str) -> Self {
        Self { name: Arc::from(name), script: watch::Sender::new(Arc::default()) }
    }

    /// Resolves when the behaviour keeps nobody silent any more.
    pub(super) fn released(&self) -> Released {
        let mut script = self.script.subscribe();
        Box::pin(async move {
            // An error means that the model is gone, and with it whoever could release.
            let _ = script.wait_for(|script| !script.behaviour.faults.keeps_silent()).await;
        })
    }
}
