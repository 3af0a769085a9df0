//! The admin API.

use std::sync::Arc;

use infergate_actors::id::KeyHash;
use infergate_actors::supervisor::System;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::exchange::World;

/// What the admin API works on.
pub struct Operator;

impl Operator {
    /// One.
    pub fn new(_world: Arc<World>, _system: System, _token: KeyHash) -> Self {
        Self
    }
}

/// Its routes.
pub fn router(_operator: Arc<Operator>) {}

/// Serves it.
pub async fn serve(_listener: TcpListener, (): (), mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
