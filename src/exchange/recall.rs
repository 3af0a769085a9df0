//! Ends what runs when the account or the key it began with is taken from it.

use std::future::Future;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use infergate_actors::account::{Denial, End, Standing};

use super::tally::Lost;

/// Watches over one stream.
pub(super) struct Recall {
    standing: Standing,
    /// Wakes the stream's task, which may be waiting for a silent provider.
    waiting: BoxFuture<'static, Denial>,
}

impl Recall {
    pub(super) fn new(standing: Standing) -> Self {
        let mut waiting = standing.clone();
        Self { standing, waiting: async move { waiting.ended().await }.boxed() }
    }

    /// Why the stream must end; `None` while it may go on.
    pub(super) fn denial(&self) -> Option<Denial> {
        self.standing.is_over()
    }

    /// The same, for a stream that has nothing to do but wait. Not to be asked again when it must end.
    pub(super) fn poll_denial(&mut self, cx: &mut Context<'_>) -> Poll<Denial> {
        self.waiting.poll_unpin(cx)
    }
}

/// Searches for an answer for as long as the exchange may go on.
pub(super) async fn unless_recalled<T>(
    mut standing: Standing,
    search: impl Future<Output = Result<T, Lost>>,
) -> Result<T, Lost> {
    tokio::select! {
        biased;
        found = search => found,
        denial = standing.ended() => Err(denial.into()),
    }
}

/// An exchange that is ended for such a reason: its client is told the same as with its next request.
impl From<Denial> for Lost {
    fn from(denial: Denial) -> Self {
        let end = match denial {
            Denial::RevokedKey => End::KeyRevoked,
            Denial::Closed => End::Closed,
            _ => End::Suspended,
        };
        Self { error: Box::new(denial.into()), end }
    }
}
