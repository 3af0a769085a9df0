//! A price that changes: what an exchange is charged was settled when it began.

use std::time::Duration;

use infergate_actors::clock::Clock;

use super::ends::begun;
use super::stage::{COST, DONE, STOP, Stage, USAGE, ask, config};
use super::upstream::{Upstream, streamed};
use crate::operate::fixture::Setup;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_price_is_for_exchanges_that_begin_after_it() {
    let mut upstream = Upstream::start().await;
    let versions = "price = [{ input = \"1\", output = \"2\" }, \
                    { from = \"2023-11-14T22:13:21Z\", input = \"10\", output = \"20\" }]\n";
    let config = config(&[upstream.address], "")
        .replace("price = { input = \"1\", output = \"2\" }\n", versions);
    // One second before the change.
    let clock = Clock::manual(1_700_000_000_000);
    let stage = Stage::of(Setup { config, clock: clock.clone(), ..Setup::default() }, "1").await;

    let (coming, mut call) = begun(&stage, &mut upstream).await;
    clock.advance(Duration::from_secs(1));
    call.chunk([STOP, USAGE, DONE].concat()).await;
    call.close().await;
    assert!(coming.rest().await.1);
    let before = stage.end().await;
    assert_eq!(before["charged"], COST);

    let _upstream = upstream.plays(vec![streamed(&[super::stage::HELLO, STOP, USAGE, DONE])]);
    assert_eq!(stage.chat(ask(true)).await.status, 200);
    let ends = stage.ends().await;
    assert_eq!((&ends[0], &ends[1]["charged"]), (&before, &(10 * COST).into()));
}
