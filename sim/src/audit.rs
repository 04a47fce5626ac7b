//! What must hold of every call, looked at in every step.

use rego::{AttemptKind, Nanos};

use crate::outcome::Spending;

/// The engine's promises that a host can see. Each is looked at where it could break; a broken one
/// ends the simulation.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    extra: u64,
}

impl Audit {
    /// An attempt is to be started.
    pub(crate) fn started(&self, is_done: bool, is_next: bool, alive: usize, most: u32) {
        assert!(!is_done, "no attempt is launched after a call is done");
        assert!(is_next, "attempts are numbered in the order of their launch");
        assert!(alive < most as usize, "attempts alive are at most 1 + max_hedges");
    }

    /// An attempt after the first has been paid for.
    pub(crate) fn extra(&mut self, kind: AttemptKind) {
        self.extra += u64::from(kind != AttemptKind::First);
    }

    /// A call is done.
    pub(crate) fn done(&self, is_done: bool, counted_right: bool) {
        assert!(!is_done, "a call is done once");
        assert!(counted_right, "a call knows how many attempts it had");
    }

    /// A success that was delivered before a call was done is its answer, and nothing else is.
    pub(crate) fn answered(&self, had_success: bool, is_good: bool) {
        assert_eq!(had_success, is_good, "a success wins, and only a success is one");
    }

    /// No call outlives its deadline, but for the timer's tick.
    pub(crate) fn in_time(&self, now: Nanos, deadline: Nanos, slack: Nanos) {
        assert!(
            deadline.is_never() || now <= deadline + slack,
            "a call that was to end at {deadline} ended at {now}"
        );
    }

    /// All calls have ended: what was launched was paid for, and budgets kept their bound.
    pub(crate) fn close(&self, spent: &Spending) {
        if spent.bound.is_finite() {
            assert!(self.extra <= spent.granted, "an extra attempt was not paid for");
            #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
            let granted = spent.granted as f64;
            assert!(granted <= spent.bound + 1e-6, "a budget granted more than its bound");
        }
    }
}
