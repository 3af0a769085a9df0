//! A machine without an actor around it.

use std::time::Duration;

use infergate_actors::account::{
    Account, Admit, Denial, End, Extend, Failure, GrantKind, Limits, Machine, NewKey, Order,
    Presented, ReasonClass, Settle, Status, StatusSet, Terms, UsageRecord,
};
use infergate_actors::clock::Now;
use infergate_actors::id::{AccountId, HoldId, KeyHash, KeyId};
use infergate_actors::ledger::Batch;
use infergate_actors::money::{NanoUsd, Rates, Usage};

/// One nano-dollar per token, in and out, so that amounts in the scripts are token counts.
pub(crate) const UNIT: Rates = Rates {
    input: 1_000_000,
    output: 1_000_000,
    cached_input: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    audio_input: 0,
    image_input: 0,
    reasoning: 0,
    audio_output: 0,
    image_output: 0,
    request: 0,
    tool_call: 0,
};

/// A machine, a clock moved by hand, and the bytes it would have written.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) now: Now,
}

impl Bench {
    /// An open account with one key and no credit.
    pub(crate) fn new(account_limits: Limits, key_limits: Limits) -> Self {
        Self::opened(account_limits, key_limits, &mut Batch::new())
    }

    /// The same, and what that wrote.
    pub(crate) fn opened(account_limits: Limits, key_limits: Limits, batch: &mut Batch) -> Self {
        let now = Now { wall_ms: 1_000_000, mono: Duration::from_secs(1) };
        let machine = Machine::new(Account::new(AccountId::new(1, 1)), now);
        let mut bench = Self { machine, now };
        let open = Order::Open { name: "bench".into(), limits: account_limits };
        denial(bench.machine.order(&open, now, batch)).unwrap();
        let key = NewKey {
            hash: KeyHash([7; 32]),
            hint: "abcd".into(),
            name: "bench".into(),
            models: vec!["sim-*".into()],
            expires_at_ms: None,
            limits: key_limits,
            rest: Vec::new(),
        };
        denial(bench.machine.order(&Order::CreateKey(key), now, batch)).unwrap();
        bench
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now.mono += by;
        self.now.wall_ms += u64::try_from(by.as_millis()).unwrap();
    }

    pub(crate) fn order(&mut self, order: &Order) -> Result<(), Denial> {
        denial(self.machine.order(order, self.now, &mut Batch::new()))
    }

    pub(crate) fn grant(
        &mut self,
        nano: i64,
        expires_at_ms: Option<u64>,
        reference: &str,
    ) -> Result<(), Denial> {
        self.order(&Order::Grant {
            kind: GrantKind::Paid,
            amount: NanoUsd::from_nano(nano),
            expires_at_ms,
            reference: reference.into(),
        })
    }

    pub(crate) fn admit(&mut self, hold: u128, tokens: u64, first: u64) -> Result<Terms, Denial> {
        let admit = admit(hold, tokens, first);
        denial(self.machine.admit(&admit, self.now, &mut Batch::new()))
    }

    /// The same question once more, because its answer was lost.
    pub(crate) fn admit_again(
        &mut self,
        hold: u128,
        tokens: u64,
        first: u64,
    ) -> Result<Terms, Denial> {
        let admit = admit(hold, tokens, first);
        denial(self.machine.admit_again(&admit, self.now, &mut Batch::new()))
    }

    /// The actor is gone, and another starts from what is kept.
    pub(crate) fn restart(&mut self) {
        *self = self.copy();
    }

    /// Another that starts from what is kept.
    pub(crate) fn copy(&self) -> Self {
        let bytes = self.machine.account().snapshot();
        let account = Account::restore(&bytes).unwrap();
        assert_eq!(&account, self.machine.account());
        Self { machine: Machine::new(account, self.now), now: self.now }
    }

    pub(crate) fn extend(&mut self, hold: u128, covered: u64, tokens: u64) -> Result<u64, Denial> {
        let extend = Extend {
            hold: HoldId::from_bits(hold),
            rates: UNIT,
            prompt_tokens_max: 0,
            completion_tokens_held: covered,
            completion_tokens: tokens,
        };
        denial(self.machine.extend(&extend, self.now, &mut Batch::new()))
    }

    pub(crate) fn settle(&mut self, hold: u128, tokens: u64) -> Result<(), Denial> {
        let settle = Settle {
            hold: HoldId::from_bits(hold),
            usage: Usage { output: tokens, ..Usage::default() },
            estimated: false,
            rates: UNIT,
            end: End::Completed,
            record: UsageRecord::default(),
        };
        denial(self.machine.settle(settle, self.now, &mut Batch::new())).map(drop)
    }

    pub(crate) fn void(&mut self, hold: u128) -> Result<(), Denial> {
        let hold = HoldId::from_bits(hold);
        denial(self.machine.void(hold, End::ProviderError, self.now, &mut Batch::new()))
    }
}

pub(crate) fn admit(hold: u128, tokens: u64, first: u64) -> Admit {
    Admit {
        hold: HoldId::from_bits(hold),
        key: KeyId(1),
        presented: Presented::default(),
        model: "sim-small".into(),
        free: false,
        rates: UNIT,
        prompt_tokens_max: 0,
        completion_tokens_max: tokens,
        completion_tokens_first: first,
        completion_tokens_min: 1,
        tokens_estimate: tokens,
        fallbacks: Vec::new(),
    }
}

/// An order that sets the status.
pub(crate) fn set_status(status: Status) -> Order {
    let (by, reason) = ("tester".into(), "a test".into());
    Order::SetStatus(StatusSet { status, by, class: ReasonClass::Other, reason })
}

pub(crate) fn denial<T>(result: Result<T, Failure>) -> Result<T, Denial> {
    result.map_err(|failure| match failure {
        Failure::Denied(denial) => denial,
        Failure::Broken(broken) => panic!("{broken}"),
    })
}
