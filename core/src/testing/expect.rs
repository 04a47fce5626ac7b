//! Assertions on timelines, with messages that show the whole of it.

use std::time::Duration;

use crate::{
    notes::{AttemptKind, AttemptRecord, Timeline},
    outcome::{CancelReason, Reason},
    verdict::{HedgeReason, Verdict},
};

/// What is expected of a timeline. Each expectation panics if it is not met, with what was
/// expected, what happened, and the whole timeline.
///
/// ```
/// use rego::{CancelReason, Verdict, testing};
/// use std::time::Duration;
///
/// let (builder, _clock) = testing::engine();
/// let engine = builder.build()?;
/// let script = testing::Script::new().fail("no").succeed_with(7);
/// let (_, timeline) = engine.run_with_timeline("svc.Get", script.op());
/// testing::expect(&timeline).verdict(Verdict::Success).attempts(2).retries(1).answered_by(1);
///
/// let broken = std::panic::catch_unwind(|| testing::expect(&timeline).attempts(3));
/// let message = *broken.unwrap_err().downcast::<String>().unwrap();
/// assert!(message.starts_with("expected 3 attempts, there were 2\nsvc.Get  success"), "{message}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn expect(timeline: &Timeline) -> Expectations<'_> {
    Expectations { timeline, attempts: timeline.attempts() }
}

/// What is expected of a timeline: see [`expect`].
#[derive(Clone, Debug)]
pub struct Expectations<'a> {
    timeline: &'a Timeline,
    attempts: Vec<AttemptRecord>,
}

#[expect(clippy::must_use_candidate, reason = "an expectation is met or panics")]
#[expect(clippy::return_self_not_must_use, reason = "the last expectation of a chain is dropped")]
impl Expectations<'_> {
    /// How the call ended.
    #[track_caller]
    pub fn verdict(self, expected: Verdict) -> Self {
        self.is(expected == self.timeline.call.verdict, || {
            format!("expected the verdict {expected}, it was {}", self.timeline.call.verdict)
        });
        self
    }

    /// How many attempts were launched, hedges included.
    #[track_caller]
    pub fn attempts(self, expected: usize) -> Self {
        self.count("attempts", expected, self.attempts.len());
        self
    }

    /// How many of them were retries.
    #[track_caller]
    pub fn retries(self, expected: usize) -> Self {
        self.count("retries", expected, self.of_kind(AttemptKind::Retry));
        self
    }

    /// How many of them were hedges.
    #[track_caller]
    pub fn hedges(self, expected: usize) -> Self {
        self.count("hedges", expected, self.of_kind(AttemptKind::Hedge));
        self
    }

    /// The number of the attempt whose result the call returned.
    #[track_caller]
    pub fn answered_by(self, number: u8) -> Self {
        let answer = self.timeline.call.answer.map(|attempt| attempt.get());
        self.is(answer == Some(number), || match answer {
            Some(other) => format!("expected the answer of attempt {number}, it was {other}'s"),
            None => format!("expected the answer of attempt {number}, there was none"),
        });
        self
    }

    /// Why each attempt's outcome was what it was, in launch order; `None` where it has none,
    /// because it was asked to stop.
    #[track_caller]
    pub fn reasons(self, expected: &[Option<Reason>]) -> Self {
        let reasons: Vec<_> = self
            .attempts
            .iter()
            .map(|record| record.outcome.map(|outcome| outcome.reason))
            .collect();
        self.is(reasons == expected, || {
            format!("expected the reasons {expected:?}, they were {reasons:?}")
        });
        self
    }

    /// The waits before the retries, in order.
    #[track_caller]
    pub fn backoffs(self, expected: &[Duration]) -> Self {
        let retries = self.attempts.iter().filter(|record| record.kind == AttemptKind::Retry);
        let backoffs: Vec<_> = retries.map(|record| record.backoff.to_duration()).collect();
        self.is(backoffs == expected, || {
            format!("expected the backoffs {expected:?}, they were {backoffs:?}")
        });
        self
    }

    /// Why an attempt was asked to stop.
    #[track_caller]
    pub fn cancelled(self, number: u8, expected: CancelReason) -> Self {
        let record = self.attempts.iter().find(|record| record.attempt.get() == number);
        let cancelled = record.and_then(|record| record.cancelled);
        self.is(cancelled == Some(expected), || {
            let expected = expected.label();
            match cancelled {
                Some(other) => format!(
                    "expected attempt {number} to be cancelled because of {expected}, it was \
                     because of {}",
                    other.label()
                ),
                None => format!(
                    "expected attempt {number} to be cancelled because of {expected}, it was not"
                ),
            }
        });
        self
    }

    /// Why hedges were due and not launched, in order.
    #[track_caller]
    pub fn hedges_skipped(self, expected: &[HedgeReason]) -> Self {
        let skipped: Vec<_> = self.timeline.hedges_skipped().collect();
        self.is(skipped == expected, || {
            format!("expected the skipped hedges {expected:?}, they were {skipped:?}")
        });
        self
    }

    /// How long the call took on the engine's clock, to the nanosecond.
    #[track_caller]
    pub fn took(self, expected: Duration) -> Self {
        let took = (self.timeline.call.ended - self.timeline.call.started).to_duration();
        self.is(took == expected, || {
            format!("expected the call to take {expected:?}, it took {took:?}")
        });
        self
    }

    #[track_caller]
    fn count(&self, what: &str, expected: usize, counted: usize) {
        self.is(expected == counted, || {
            format!("expected {expected} {what}, there were {counted}")
        });
    }

    #[track_caller]
    fn is(&self, met: bool, message: impl FnOnce() -> String) {
        assert!(met, "{}\n{}", message(), self.timeline);
    }

    fn of_kind(&self, kind: AttemptKind) -> usize {
        self.attempts.iter().filter(|record| record.kind == kind).count()
    }
}
