//! The journal's format of projects and of keys under the guard, held by bytes that never change.

use infergate_actors::account::{
    Budget, Event, KeyChange, Limits, NewProject, Period, ProjectChange, ProjectEvent, Suspicion,
};
use infergate_actors::id::{AccountId, KeyId, ProjectId};
use infergate_actors::ledger::{Digest, Record};
use infergate_actors::money::NanoUsd;

use crate::desk::START_MS;
use crate::records::bytes;

/// One record of every kind.
const FROZEN: [&str; 9] = [
    "048580808080808001016db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b134160007047465616d010573696d2d2a01d80400000102904e80a0f1c2b134",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b1341601070400066f746865727301000201d8040000030102904e",
    "048580808080808001036db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b13416020780a0f1c2b134",
    "048580808080808001046db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b134160307",
    "048580808080808001056db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b1340b0303080107080009010d2a2e6578616d706c652e636f6d",
    "048580808080808001066db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b1341c0301",
    "048580808080808001076db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b1341d03000b",
    "048580808080808001086db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b1341d03011202",
    "048580808080808001096db7d803e74f1ffa7d8f5adc0bf95b3e80a0f1c2b1341e03086f70657261746f72046d696e65",
];

fn events() -> [Event; 9] {
    let nano = NanoUsd::from_nano;
    let (key, project) = (KeyId(3), ProjectId(7));
    let of_project = |event| Event::Project(Box::new(event));
    let limits = Limits { requests_per_minute: Some(600), ..Limits::default() };
    let budgets = vec![Budget { period: Period::Month, limit: nano(5_000) }];
    let new = NewProject {
        name: "team".into(),
        models: vec!["sim-*".into()],
        limits,
        budgets: budgets.clone(),
    };
    let changes = vec![
        ProjectChange::Name("others".into()),
        ProjectChange::Models(Vec::new()),
        ProjectChange::Limits(limits),
        ProjectChange::Budgets(budgets),
    ];
    let of_key = vec![
        KeyChange::Project(Some(project)),
        KeyChange::Project(None),
        KeyChange::Referrers(vec!["*.example.com".into()]),
    ];
    let (by, reason) = ("operator".into(), "mine".into());
    [
        of_project(ProjectEvent::Created { project, new, at_ms: START_MS }),
        of_project(ProjectEvent::Changed { project, changes }),
        of_project(ProjectEvent::Archived { project, at_ms: START_MS }),
        of_project(ProjectEvent::Restored { project }),
        Event::KeyChanged { key, changes: of_key },
        Event::KeyGuarded { key, on: true },
        Event::KeyRestricted { key, suspicion: Suspicion::Networks { new: 11 } },
        Event::KeyRestricted {
            key,
            suspicion: Suspicion::Spend { spent: nano(9), usual: nano(1) },
        },
        Event::KeyReleased { key, by, reason },
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[test]
fn records_of_projects_and_guarded_keys_are_written_as_they_always_were() {
    for ((number, frozen), event) in (1..).zip(FROZEN).zip(events()) {
        let previous = Digest::of(b"before");
        let account = AccountId::new(2, 5);
        let record = Record { account, number, previous, at_ms: START_MS, event };
        // These bytes say version 4, what is written today says 5, and nothing else differs.
        assert_eq!(hex(&record.encode()).get(2..), frozen.get(2..));
        assert_eq!(Record::decode(&bytes(frozen)), Ok(record));
    }
}
