//! A provider's machine under long random runs, watched by a judge that keeps its own books.

use std::collections::BTreeMap;
use std::time::Duration;

use infergate_actors::provider::tickets::TicketId;
use infergate_actors::provider::{
    BreakerSettings, DeploymentIndex, DeploymentSettings, DeploymentState, FaultKind, Mode,
    Outcome, ProviderMachine, ProviderSettings, Secret,
};

const STEPS: u32 = 20_000;
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// A small generator, so that a seed means the same run for ever (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn up_to_ms(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }

    /// In bad times half of what else would be an answer is a fault.
    fn outcome(&mut self, times_are_bad: bool) -> Outcome {
        match self.below(16) {
            0..11 if !times_are_bad || self.below(2) == 0 => Outcome::Answered {
                first_content: Some(self.up_to_ms(500)),
                total: self.up_to_ms(5_000),
                tokens: self.below(3_000),
                output_tokens: self.below(1_000),
            },
            0..11 => Outcome::Fault {
                kind: [FaultKind::ConnectFailed, FaultKind::ServerError(502), FaultKind::Cut]
                    [usize::try_from(self.below(3)).unwrap()],
                retry_after: (self.below(4) == 0).then(|| self.up_to_ms(20_000)),
            },
            11 => Outcome::RateLimited {
                retry_after: (self.below(2) == 0).then(|| self.up_to_ms(5_000)),
            },
            12 if self.below(8) == 0 => Outcome::CredentialRejected { status: 401 },
            12 | 13 => Outcome::ClientFault { status: 400 },
            14 if self.below(8) == 0 => Outcome::CreditExhausted,
            14 => Outcome::Outrun { waited: self.up_to_ms(2_000) },
            _ => Outcome::Lost,
        }
    }
}

/// The judge's books of one request.
struct Running {
    deployment: DeploymentIndex,
    probe_since: Option<Duration>,
}

struct World {
    chance: Chance,
    now: Duration,
    machine: ProviderMachine,
    running: BTreeMap<u64, (TicketId, Running)>,
    opened: u64,
    ended: u64,
}

fn settings(chance: &mut Chance) -> ProviderSettings {
    let mut settings = ProviderSettings::new("acme");
    settings.in_flight_max = Some(12);
    settings.credentials = ["one", "two", "three"].map(Secret::new).to_vec();
    settings.credentials.truncate(1 + usize::try_from(chance.below(3)).unwrap());
    settings.breaker = BreakerSettings {
        failures_max: 4,
        samples_min: 10,
        cooldown: Duration::from_millis(500),
        cooldown_max: Duration::from_secs(8),
        probe_timeout: PROBE_TIMEOUT,
        ..BreakerSettings::default()
    };
    for name in ["a", "b", "c"] {
        if chance.below(8) > 0 {
            settings.deployments.push(DeploymentSettings {
                requests_per_minute: (chance.below(2) == 0).then_some(600),
                tokens_per_minute: (chance.below(2) == 0).then_some(400_000),
                in_flight_max: Some(6),
                ..DeploymentSettings::new(name)
            });
        }
    }
    settings
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let mut first = settings(&mut chance);
        first.deployments = ["a", "b", "c"]
            .map(|name| DeploymentSettings {
                in_flight_max: Some(6),
                ..DeploymentSettings::new(name)
            })
            .to_vec();
        let machine = ProviderMachine::new(first, &[], Duration::ZERO);
        let running = BTreeMap::new();
        Self { chance, now: Duration::ZERO, machine, running, opened: 0, ended: 0 }
    }

    fn step(&mut self) {
        self.now += self.chance.up_to_ms(60);
        match self.chance.below(1_000) {
            0 => {
                let settings = settings(&mut self.chance);
                self.machine.configure(settings, self.now);
            }
            1 => self.machine.set_mode(Mode::Closed),
            2..10 => self.machine.set_mode(Mode::Open),
            10..14 => {
                for view in self.machine.view(self.now).credentials {
                    self.machine.enable_credential(view.fingerprint.parse().unwrap());
                }
            }
            14..20 => self.probe(),
            20..500 => self.acquire(),
            500..550 => self.content(),
            _ => self.report(),
        }
        self.judge();
    }

    fn acquire(&mut self) {
        let index = DeploymentIndex(u16::try_from(self.chance.below(4)).unwrap());
        let foretold = self.machine.health().state(index, self.now);
        let tokens = self.chance.below(3_000);
        let Ok(grant) = self.machine.acquire(self.now, index, tokens) else { return };
        let expected =
            if grant.probe { DeploymentState::ProbeDue } else { DeploymentState::Passing };
        assert_eq!(foretold, expected, "the health view told otherwise");
        if grant.probe {
            let rival = self.running.values().any(|(_, other)| {
                let fresh = other.probe_since.is_some_and(|at| self.now < at + PROBE_TIMEOUT);
                other.deployment == index && fresh
            });
            assert!(!rival, "two probes at once");
        }
        let probe_since = grant.probe.then_some(self.now);
        let running = Running { deployment: index, probe_since };
        self.running.insert(self.opened, (grant.ticket, running));
        self.opened += 1;
    }

    /// A health probe that is answered, or not, at once.
    fn probe(&mut self) {
        let index = DeploymentIndex(u16::try_from(self.chance.below(4)).unwrap());
        let foretold = self.machine.health().state(index, self.now);
        let grant = self.machine.acquire_health_probe(self.now, index);
        assert_eq!(grant.is_some(), foretold == DeploymentState::ProbeDue, "{foretold:?}");
        if let Some(grant) = grant {
            let outcome = self.chance.outcome(true);
            self.machine.report(self.now, grant.ticket, outcome);
        }
    }

    fn any_running(&mut self) -> Option<u64> {
        let place = usize::try_from(self.chance.below(self.running.len().max(1) as u64)).unwrap();
        self.running.keys().nth(place).copied()
    }

    fn content(&mut self) {
        if let Some(number) = self.any_running() {
            let (ticket, running) = self.running.get_mut(&number).unwrap();
            self.machine.content_started(self.now, *ticket);
            running.probe_since = None;
        }
    }

    fn report(&mut self) {
        if let Some(number) = self.any_running() {
            let (ticket, _) = self.running.remove(&number).unwrap();
            let outcome = self.chance.outcome((self.ended / 100).is_multiple_of(3));
            self.machine.report(self.now, ticket, outcome);
            self.ended += 1;
            if self.chance.below(10) == 0 {
                self.machine.report(self.now, ticket, Outcome::Lost);
            }
        }
    }

    fn judge(&self) {
        assert_eq!(usize::try_from(self.machine.in_flight()).unwrap(), self.running.len());
        assert!(self.machine.in_flight() <= 12);
        for (place, deployment) in self.machine.health().deployments.iter().enumerate() {
            let index = DeploymentIndex(u16::try_from(place).unwrap());
            let mine = self.running.values().filter(|(_, running)| running.deployment == index);
            let in_flight = usize::try_from(deployment.gauge.in_flight()).unwrap();
            assert_eq!(in_flight, mine.count());
            assert!(in_flight <= 6);
        }
    }

    fn finish(mut self) {
        while !self.running.is_empty() {
            self.report();
            self.judge();
        }
        let counters = self.machine.view(self.now).counters;
        assert_eq!((counters.acquired, self.ended), (self.opened, self.opened));
        let ended = counters.answered
            + counters.rate_limited
            + counters.credential_rejected
            + counters.credit_exhausted
            + counters.client_faults
            + counters.outrun
            + counters.lost
            + counters.faults.values().sum::<u64>();
        assert_eq!(ended, self.opened);
        assert!(self.opened > u64::from(STEPS) / 50, "only {} requests passed", self.opened);
        for refusal in ["shut", "probe_running", "in_flight", "no_credential", "closed"] {
            assert!(counters.refused[refusal] > 0, "the run never met `{refusal}`");
        }
    }
}

#[test]
fn the_books_balance_in_any_run() {
    for seed in 0..6 {
        println!("seed {seed}");
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
    }
}
