//! A stream whose client has left while others follow it.

use std::future::poll_fn;

use tokio::runtime::Handle;

use super::super::relay::Relay;
use super::flight::{Others, Tap};

/// The client of a stream takes no more of it. If others follow the stream, it is driven on for them
/// and ends, and is charged, as if the client were still there: it is the same account's. If nobody
/// does, nobody will, and the stream is given back.
pub(in crate::exchange) fn drive_on(relay: Box<Relay>) -> Option<Box<Relay>> {
    let Some(others) = relay.tap().and_then(Tap::others) else { return Some(relay) };
    let Ok(runtime) = Handle::try_current() else { return Some(relay) };
    runtime.spawn(drive(relay, others));
    None
}

async fn drive(mut relay: Box<Relay>, mut others: Others) {
    loop {
        let piece = tokio::select! {
            biased;
            // Another may have come between the last one's leaving and now.
            () = others.have_left() => match relay.tap().and_then(Tap::others) {
                Some(more) => {
                    others = more;
                    continue;
                }
                None => return,
            },
            piece = poll_fn(|cx| relay.poll_next(cx)) => piece,
        };
        if piece.is_none() || relay.tap().is_none() {
            return;
        }
    }
}
