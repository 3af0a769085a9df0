//! The end of a provider's answer behind its last event.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How long the end of an answer may come after its last event.
const TRAILING_TIMEOUT: Duration = Duration::from_secs(1);
const TRAILING_FRAMES_MAX: usize = 16;

/// Lets the provider end its answer, so that the connection can be used again: dropped before that,
/// it would be closed, and the next request pay for another one.
pub(super) async fn read_to_end(mut body: Incoming) {
    let reading = async {
        for _ in 0..TRAILING_FRAMES_MAX {
            match body.frame().await {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
    };
    // One that does not end in time is closed after all.
    let _ = tokio::time::timeout(TRAILING_TIMEOUT, reading).await;
}
