//! An account to which everything happens, and what is asked behind each step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use infergate_actors::account::{
    Account, Admit, Budget, CodeBatch, CodeKind, CodeUse, CreditRules, Denial, End, Fallback,
    GrantKind, KeyChange, Machine, NewProject, Order, Period, Settle, Transfer, TransferKind,
    UsageRecord, WatchOrder,
};
use infergate_actors::id::{AccountId, HoldId, KeyHash, KeyId, MemberId, ProjectId};
use infergate_actors::ledger::{Batch, Digest, Record};
use infergate_actors::money::Usage;

use super::step::{Ask, CODES, MODELS, PROJECTS, Step, Whose};
use crate::bench::{UNIT, admit, denial};
use crate::books::{Access, Budgets, Notices, Owner, budget_order};
use crate::credit::{nano, rules};
use crate::members;
use crate::subscriptions_random as money;

const OURS: AccountId = AccountId(1 << 48 | 1);
const BATCH: AccountId = AccountId(1 << 48 | 2);
const THEIRS: AccountId = AccountId(1 << 48 | 3);
const USES_MAX: usize = 1;

/// One account, the codes that it may redeem, and all of their books.
pub(super) struct Run {
    pub(super) money: money::Run,
    restricted: bool,
    codes: Machine,
    codes_until_ms: u64,
    /// Who used each code.
    uses: BTreeMap<u8, BTreeSet<AccountId>>,
    pub(super) budgets: Budgets,
    pub(super) notices: Notices,
    pub(super) access: Access,
    /// What owners may not go above.
    pub(super) ceilings: BTreeMap<Period, i64>,
    /// What another gateway would start from.
    snapshot: Vec<u8>,
    pub(super) behind: Vec<(Record, Digest)>,
    /// What a request was answered in this step, where one was.
    asked: Option<(KeyId, Result<(), Denial>)>,
}

impl Run {
    /// Takes all steps, and looks at everything behind each.
    pub(super) fn play(steps: Vec<(Step, bool)>) -> Self {
        let mut run = Self::begin();
        for (place, (step, is_lost)) in steps.into_iter().enumerate() {
            if is_lost {
                run.act(&step, place);
                run.rebuild();
            }
            let batch = run.act(&step, place);
            run.read(batch);
            run.check();
            run.check_answer();
        }
        run.rebuild();
        run
    }

    fn begin() -> Self {
        let money = money::Run::new();
        let now = money.bench.now;
        let codes_until_ms = now.wall_ms + 60 * 86_400_000;
        let mut codes = Machine::new(Account::new(BATCH), now);
        let batch = CodeBatch {
            name: "spring".into(),
            hashes: (0..CODES).map(code).collect(),
            kind: GrantKind::Promotional,
            amount: nano(400),
            uses_max: u32::try_from(USES_MAX).unwrap(),
            expires_at_ms: Some(codes_until_ms),
            lasts_ms: Some(30 * 86_400_000),
        };
        let mut made = Batch::new();
        denial(codes.order(&Order::MakeCodes(batch), now, &mut made)).unwrap();
        let (snapshot, mut access) = (money.copy.snapshot(), Access::default());
        let budgets = Budgets::default();
        for (record, _) in money.written.iter().flat_map(Batch::decoded) {
            access.take(&record, &budgets);
        }
        let mut run = Self {
            money,
            restricted: true,
            codes,
            codes_until_ms,
            uses: BTreeMap::new(),
            budgets,
            notices: Notices::default(),
            access,
            ceilings: BTreeMap::new(),
            snapshot,
            behind: Vec::new(),
            asked: None,
        };
        run.money.written.push(made);
        run.set_rules();
        let batch = run.furnish();
        run.read(batch);
        run
    }

    /// Projects with a budget each, a key for each of them, and some credit.
    fn furnish(&mut self) -> Batch {
        let mut batch = Batch::new();
        let changes = vec![KeyChange::Models(Vec::new())];
        self.order(&Order::ChangeKey { key: KeyId(1), changes }, &mut batch).unwrap();
        for number in 1..=PROJECTS {
            let budgets = vec![Budget { period: Period::Day, limit: nano(1_500) }];
            let new = NewProject { name: number.to_string(), budgets, ..NewProject::default() };
            self.order(&Order::CreateProject(new), &mut batch).unwrap();
            let mut key = members::key(200 + u8::try_from(number).unwrap());
            key.rest = vec![KeyChange::Project(Some(ProjectId(number)))];
            self.order(&Order::CreateKey(key), &mut batch).unwrap();
        }
        let (kind, reference) = (GrantKind::Trial, "first".into());
        let grant = Order::Grant { kind, amount: nano(2_000), expires_at_ms: None, reference };
        self.order(&grant, &mut batch).unwrap();
        batch
    }

    fn order(&mut self, order: &Order, batch: &mut Batch) -> Result<(), Denial> {
        let bench = &mut self.money.bench;
        denial(bench.machine.order(order, bench.now, batch))
    }

    fn set_rules(&mut self) {
        let rules = if self.restricted { rules() } else { CreditRules::default() };
        self.money.bench.machine.set_rules(Arc::new(rules));
    }

    /// Another actor takes over, with the last snapshot and the events behind it.
    fn rebuild(&mut self) {
        let mut account = Account::restore(&self.snapshot).unwrap();
        for (record, digest) in &self.behind {
            account.apply(record, *digest).unwrap();
        }
        assert_eq!(account, self.money.copy, "another has what was kept");
        let bench = &mut self.money.bench;
        bench.machine = Machine::new(account, bench.now);
        bench.machine.set_plans(Arc::clone(&self.money.plans), bench.now);
        self.set_rules();
    }

    /// Takes one step, and gives what it wrote; the books have still to read it.
    fn act(&mut self, step: &Step, place: usize) -> Batch {
        let mut batch = Batch::new();
        match step {
            Step::Money(step) => return self.money(*step, place),
            Step::Ask(asked) => self.ask(*asked, place, &mut batch),
            Step::Budget { whose, period, nano } => {
                self.set_budget(*whose, (*period, *nano), &mut batch);
            }
            Step::OwnBudgets(own) => self.set_own(own, &mut batch),
            Step::Move { key, project } => {
                let (key, project) = (self.access.key(*key), project.map(ProjectId));
                let changes = vec![KeyChange::Project(project)];
                let _ = self.order(&Order::ChangeKey { key, changes }, &mut batch);
            }
            Step::Archive { project, is_archived } => {
                let order =
                    if *is_archived { Order::ArchiveProject } else { Order::RestoreProject };
                self.order(&order(ProjectId(*project)), &mut batch).unwrap();
            }
            Step::Watch(settings) => {
                let order = Order::Watch(WatchOrder::Set(settings.clone()));
                self.order(&order, &mut batch).unwrap();
            }
            Step::PayTopUp { nano: amount } => self.pay_top_up(*amount, place, &mut batch),
            Step::FailTopUp => {
                if let Some(top_up) = self.notices.pending() {
                    let order = WatchOrder::FailTopUp { top_up, reason: "declined".into() };
                    self.order(&Order::Watch(order), &mut batch).unwrap();
                }
            }
            Step::Join { .. } | Step::Leave { .. } | Step::KeyFor { .. } | Step::Revoke { .. } => {
                self.staff(step, place, &mut batch);
            }
            Step::Redeem { code, is_ours } => {
                self.redeem(*code, if *is_ours { OURS } else { THEIRS }, &mut batch);
            }
            Step::Rules { restricted } => {
                self.restricted = *restricted;
                self.set_rules();
            }
            Step::Snapshot => {
                self.snapshot = self.money.copy.snapshot();
                self.behind.clear();
            }
            Step::Crash => self.crash(&mut batch),
        }
        batch
    }

    fn money(&mut self, step: money::Step, place: usize) -> Batch {
        let mut batch = self.money.act(step, place);
        match step {
            money::Step::Restart => self.set_rules(),
            money::Step::Settle { hold, .. } => {
                // Whatever became of it, there is no second time.
                let hold = HoldId::from_bits(self.money.hold(hold, place));
                let bench = &mut self.money.bench;
                // What the hold kept from lapsing has lapsed with its end.
                bench.machine.lapse(bench.now, &mut batch).unwrap();
                let written = batch.len();
                let again = bench.machine.settle(settlement(hold, 1), bench.now, &mut batch);
                assert_eq!(denial(again), Err(Denial::UnknownHold));
                assert_eq!(batch.len(), written);
            }
            _ => {}
        }
        batch
    }

    /// A request begins, and is asked for once more, as if its answer were lost.
    fn ask(&mut self, asked: Ask, place: usize, batch: &mut Batch) {
        let fallback = asked.fallback.map(|place| Fallback {
            model: MODELS[place].into(),
            free: false,
            rates: UNIT,
        });
        let asked = Admit {
            key: self.access.key(asked.key),
            model: MODELS[asked.model].into(),
            fallbacks: fallback.into_iter().collect(),
            ..admit(self.money.hold(asked.hold, place), asked.tokens, asked.first)
        };
        let bench = &mut self.money.bench;
        let answer = denial(bench.machine.admit(&asked, bench.now, batch));
        if answer.is_ok() {
            assert_eq!(denial(bench.machine.admit_again(&asked, bench.now, batch)), answer);
        }
        self.asked = Some((asked.key, answer.map(drop)));
    }

    /// What was told with a request that was refused, and of the balance in front of any.
    fn check_answer(&mut self) {
        let Some((key, answer)) = self.asked.take() else { return };
        self.check_low();
        if let Err(denial) = answer {
            self.check_refused(key, &denial);
        }
    }

    fn set_budget(
        &mut self,
        whose: Whose,
        (period, amount): (Period, Option<i64>),
        to: &mut Batch,
    ) {
        let owner = match whose {
            Whose::Account => Owner::Account,
            Whose::Key(key) => Owner::Key(self.access.key(key)),
            Whose::Project(project) => Owner::Project(ProjectId(project)),
        };
        let answer = self.order(&budget_order(owner, period, amount), to);
        assert!(answer.is_ok() || matches!(owner, Owner::Key(key) if self.access.is_revoked(key)));
        if owner == Owner::Account {
            let left = |limit: &i64| {
                let same = Budget { period, limit: nano(*limit) };
                self.budgets.of(Owner::Account).contains(&same)
            };
            self.ceilings = match amount {
                // What was left as it was stays whose it was.
                Some(limit) if left(&limit) => {
                    self.ceilings.get(&period).map(|kept| (period, *kept)).into_iter().collect()
                }
                amount => amount.map(|limit| (period, limit)).into_iter().collect(),
            };
        }
    }

    fn set_own(&mut self, own: &[Budget], batch: &mut Batch) {
        let is_within = |(period, most): (&Period, &i64)| {
            own.iter().any(|budget| budget.period == *period && budget.limit.nano() <= *most)
        };
        let may = self.ceilings.iter().all(is_within);
        let answer = self.order(&Order::SetOwnBudgets(own.to_vec()), batch);
        assert_eq!(answer.is_ok(), may, "{answer:?} under {:?}", self.ceilings);
    }

    fn pay_top_up(&mut self, amount: i64, place: usize, batch: &mut Batch) {
        let top_up = self.notices.pending();
        let payment = format!("top-up {place}");
        let what =
            TransferKind::Payment { payment, amount: nano(amount), expires_at_ms: None, top_up };
        let transfer = Transfer { id: place.to_string(), what };
        let bench = &mut self.money.bench;
        denial(bench.machine.transfer(&transfer, bench.now, batch)).unwrap();
    }

    fn staff(&mut self, step: &Step, place: usize, batch: &mut Batch) {
        let new = || members::key(u8::try_from(place % 190 + 8).unwrap());
        let order = match step {
            Step::Join { role } => {
                members::add(&format!("m{place}@example.com"), *role, true, members::by(None))
            }
            Step::Leave { member, revoke_keys } => {
                members::remove(*member, *revoke_keys, members::by(None))
            }
            Step::KeyFor { member: Some(member) } => {
                Order::CreateKeyFor(MemberId(*member), Box::new(new()))
            }
            Step::KeyFor { member: None } => Order::CreateKey(new()),
            Step::Revoke { key } => {
                Order::RevokeKey { key: self.access.key(*key), reason: "a test".into() }
            }
            _ => return,
        };
        let _ = self.order(&order, batch);
    }

    /// What is used of the batch is kept, also where the credit for it is lost then.
    fn redeem(&mut self, place: u8, account: AccountId, batch: &mut Batch) {
        let (wish, now) =
            (CodeUse { what: CodeKind::Credit, hash: code(place), account }, self.money.bench.now);
        let mut used = Batch::new();
        let answer = denial(self.codes.use_code(&wish, now, &mut used));
        self.money.written.push(used);
        let users = self.uses.entry(place).or_default();
        let may = users.contains(&account)
            || (users.len() < USES_MAX && now.wall_ms < self.codes_until_ms);
        assert_eq!(answer.is_ok(), may, "{answer:?}");
        let Ok(terms) = answer else { return };
        users.insert(account);
        if account == OURS {
            let reference = terms.reference();
            let is_known = self.money.books.is_granted(&reference);
            let (kind, amount, expires_at_ms) = (terms.kind, terms.amount, terms.expires_at_ms);
            let order = Order::Grant { kind, amount, expires_at_ms, reference };
            let given = self.order(&order, batch);
            assert_eq!(given.is_err(), is_known, "{given:?}");
        }
    }

    fn crash(&mut self, batch: &mut Batch) {
        self.rebuild();
        let bench = &mut self.money.bench;
        let open: Vec<HoldId> = bench.machine.account().holds().keys().copied().collect();
        for hold in open {
            denial(bench.machine.void(hold, End::Recovered, bench.now, batch)).unwrap();
        }
    }
}

fn code(place: u8) -> KeyHash {
    KeyHash([100 + place; 32])
}

fn settlement(hold: HoldId, tokens: u64) -> Settle {
    Settle {
        hold,
        usage: Usage { output: tokens, ..Usage::default() },
        estimated: false,
        rates: UNIT,
        end: End::Completed,
        record: UsageRecord::default(),
    }
}
