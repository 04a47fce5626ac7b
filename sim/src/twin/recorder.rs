//! Percentiles as other libraries have them.

use rego::Nanos;

/// When a twin hedges, by the calls before.
#[derive(Clone, Copy, Debug)]
pub struct Percentile {
    /// The share of calls that are not to be hedged.
    pub p: f64,
    /// Over how many calls: the percentile of the last such window holds for the next.
    pub window: usize,
    /// What becomes of a primary that a hedge has overtaken.
    pub overtaken: Overtaken,
}

/// What becomes of a primary that a hedge has overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overtaken {
    /// It is forgotten, as by tower and most others.
    Dropped,
    /// It is recorded as if it had ended then, as by Finagle.
    Recorded,
}

#[derive(Debug)]
pub(super) struct Recorder {
    rules: Percentile,
    current: Vec<Nanos>,
    delay: Option<Nanos>,
}

impl Recorder {
    pub(super) fn new(rules: Percentile) -> Self {
        Self { rules, current: Vec::with_capacity(rules.window), delay: None }
    }

    /// How long to wait before a hedge; `None` before the end of the first window.
    pub(super) fn delay(&self) -> Option<Nanos> {
        self.delay
    }

    pub(super) fn record(&mut self, length: Nanos) {
        self.current.push(length);
        if self.current.len() < self.rules.window {
            return;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a small array"
        )]
        let rank = (self.current.len() as f64 * self.rules.p) as usize;
        let rank = rank.min(self.current.len() - 1);
        let (_, delay, _) = self.current.select_nth_unstable(rank);
        self.delay = Some(*delay);
        self.current.clear();
    }

    pub(super) fn overtaken(&mut self, age: Nanos) {
        if self.rules.overtaken == Overtaken::Recorded {
            self.record(age);
        }
    }
}
