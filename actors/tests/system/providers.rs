//! Providers under the supervisor.

use std::time::Duration;

use infergate_actors::provider::{
    DeploymentIndex, DeploymentSettings, Mode, ProviderSettings, Refusal, Secret,
};

use crate::desk::{Desk, in_time, until};

fn settings() -> ProviderSettings {
    let mut settings = ProviderSettings::new("acme");
    settings.deployments = vec![DeploymentSettings::new("large")];
    settings.credentials = vec![Secret::new("sk-0000000000000001")];
    settings
}

const LARGE: DeploymentIndex = DeploymentIndex(0);

#[tokio::test]
async fn a_broken_provider_is_rebuilt_and_whoever_asks_meanwhile_is_answered() {
    let desk = Desk::new().await;
    let providers = &desk.system.providers;
    let provider = providers.configure(settings()).await.unwrap();
    provider.set_mode(Mode::Draining).await.unwrap();
    for round in 1..=3 {
        let lost = provider.acquire(LARGE, 1).await;
        assert_eq!(lost.unwrap_err(), Refusal::Draining);
        provider.break_down().await;
        // From its last snapshot.
        assert_eq!(in_time(provider.acquire(LARGE, 1)).await.unwrap_err(), Refusal::Draining);
        assert_eq!(providers.restarts(), round);
    }
    provider.set_mode(Mode::Open).await.unwrap();
    let ticket = provider.acquire(LARGE, 1).await.unwrap();
    provider.break_down().await;
    drop(ticket);
    assert_eq!(in_time(provider.inspect()).await.unwrap().in_flight, 0);
    let lines = providers.lines();
    assert_eq!((lines.len(), lines[0].status, lines[0].restarts), (1, "running", 4));
    desk.system.stop().await;
    assert_eq!(providers.lines()[0].status, "stopped");
}

#[tokio::test]
async fn a_provider_whose_snapshot_cannot_be_read_starts_without() {
    let desk = Desk::new().await;
    let providers = &desk.system.providers;
    let provider = providers.configure(settings()).await.unwrap();
    desk.ledger.put_provider("acme", vec![99], None);
    provider.break_down().await;
    assert!(provider.acquire(LARGE, 1).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_is_removed_stays_away() {
    let desk = Desk::new().await;
    let providers = &desk.system.providers;
    let provider = providers.configure(settings()).await.unwrap();
    providers.retain(&[]);
    let actor = provider.actor().unwrap();
    actor.wait(None).await.unwrap();
    let refused = tokio::time::timeout(Duration::from_mins(1), provider.acquire(LARGE, 1)).await;
    assert_eq!(refused.unwrap().unwrap_err(), Refusal::Unavailable);
    assert!(providers.get("acme").is_none() && providers.all().is_empty());
    assert_eq!(providers.restarts(), 0);
    let again = providers.configure(settings()).await.unwrap();
    assert!(again.acquire(LARGE, 1).await.is_ok());
    until("one provider", || providers.lines().len() == 1).await;
}
