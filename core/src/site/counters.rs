//! What is counted per key. A clean first success counts nothing here: the latency histogram holds
//! it, and a scrape adds the two up.
//!
//! The histogram holds every primary that won and was not late; here are those of them that were
//! not alone in their call ([`Counters::clean`] takes them out again), and all that did not win.
//!
//! - *attempts by kind*: clean + those counted here, each once: as it wins, fails, or is asked to
//!   stop. What comes of it later is told apart (`late`).
//! - *calls*: clean + those counted here, as they end.

use std::array;

use super::durations::{Durations, Spread};
use crate::{
    clock::Nanos,
    notes::AttemptKind,
    outcome::{CancelReason, Outcome, OutcomeKind, Reason},
    sync::{AtomicU64, CachePadded, Ordering, SHARDS, Shard},
    verdict::{BudgetDecision, HedgeReason, Verdict},
};

/// The most reasons a key tells apart; what comes later counts as `other`.
pub(crate) const MAX_REASONS: usize = 16;

/// A counter without labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Counter {
    RetriesLaunched,
    RetriesDenied,
    HedgesLaunched,
    HedgesSuspended,
    /// Attempts that ended after they had been given up.
    Late,
    /// Nanoseconds that attempts had run when another one won.
    WastedNanos,
    /// Calls for which the engine stood aside.
    PassThrough,
    /// Panics contained in hooks.
    HookPanics,
    /// Panics of the engine's own, contained.
    EnginePanics,
}

const COUNTERS: usize = Counter::EnginePanics as usize + 1;
const KINDS: usize = 3;

/// The cold counters of one key. All increments are Relaxed: a counter publishes nothing but
/// itself, and a scrape that is a moment behind is what a scrape always is.
#[derive(Debug)]
pub(crate) struct Counters {
    plain: [AtomicU64; COUNTERS],
    verdicts: [AtomicU64; Verdict::ALL.len()],
    /// Attempts that won, by kind; of first attempts only those that were not alone.
    wins: [AtomicU64; KINDS],
    /// Attempts that won after they had been given up, by kind.
    late_wins: [AtomicU64; KINDS],
    /// Failed attempts by kind and by what follows from it.
    failures: [[AtomicU64; 4]; KINDS],
    cancelled: [[AtomicU64; 5]; KINDS],
    skipped: [AtomicU64; HedgeReason::ALL.len()],
    /// Of those the ones without an executor, by shard.
    could_not_hedge: [CachePadded<AtomicU64>; SHARDS],
    /// By the kind of attempt that was to be paid for.
    budget: [[AtomicU64; BudgetDecision::ALL.len()]; KINDS],
    /// Calls that failed, by the kind of attempt whose result was returned; the last for none.
    failed_via: [AtomicU64; KINDS + 1],
    /// How long attempts ran that are counted here, by kind.
    attempts: [Durations; KINDS],
    /// How long primaries ran that are counted here and in the histogram.
    told_primaries: Durations,
    /// How long calls took that are counted here: those that succeeded, those that failed.
    calls: [Durations; 2],
    /// What was exposed of the clean first successes: figures that only ever go up.
    exposed: Durations,
    reasons: Reasons,
}

impl Counters {
    pub(crate) fn add(&self, counter: Counter, count: u64) {
        add(&self.plain[counter as usize], count);
    }

    pub(crate) fn get(&self, counter: Counter) -> u64 {
        get(&self.plain[counter as usize])
    }

    /// A call ended after this long, and returned the result of an attempt of this kind. Clean
    /// first successes are not told.
    pub(crate) fn ended(&self, verdict: Verdict, via: Option<AttemptKind>, length: Nanos) {
        add(&self.verdicts[verdict as usize], 1);
        self.calls[usize::from(!verdict.is_success())].record(length);
        if !verdict.is_success() {
            add(&self.failed_via[via.map_or(KINDS, |kind| kind as usize)], 1);
        }
    }

    /// Calls with this verdict; of successes only those that were not clean.
    pub(crate) fn verdicts(&self, verdict: Verdict) -> u64 {
        get(&self.verdicts[verdict as usize])
    }

    /// Calls that failed and returned the result of an attempt of this kind, or none.
    pub(crate) fn failed_via(&self, via: Option<AttemptKind>) -> u64 {
        get(&self.failed_via[via.map_or(KINDS, |kind| kind as usize)])
    }

    /// An attempt won after this long. A clean first success is not told.
    pub(crate) fn win(&self, kind: AttemptKind, late: bool, age: Nanos) {
        if late {
            return add(&self.late_wins[kind as usize], 1);
        }
        add(&self.wins[kind as usize], 1);
        self.attempts[kind as usize].record(age);
        if kind != AttemptKind::Hedge {
            self.told_primaries.record(age);
        }
    }

    /// Wins that were not late; of first attempts only those that were not alone.
    pub(crate) fn wins(&self, kind: AttemptKind) -> u64 {
        get(&self.wins[kind as usize])
    }

    pub(crate) fn late_wins(&self, kind: AttemptKind) -> u64 {
        get(&self.late_wins[kind as usize])
    }

    pub(crate) fn failure(&self, kind: AttemptKind, outcome: Outcome, age: Nanos) {
        debug_assert_ne!(outcome.kind, OutcomeKind::Success);
        self.attempts[kind as usize].record(age);
        add(&self.failures[kind as usize][outcome.kind as usize], 1);
        self.reasons.add(outcome.reason);
    }

    pub(crate) fn failures(&self, kind: AttemptKind, outcome: OutcomeKind) -> u64 {
        get(&self.failures[kind as usize][outcome as usize])
    }

    pub(crate) fn cancelled(&self, kind: AttemptKind, reason: CancelReason, age: Nanos) {
        add(&self.cancelled[kind as usize][reason as usize], 1);
        self.attempts[kind as usize].record(age);
        self.reasons.add(Reason::CancelledInternal(reason));
        if reason == CancelReason::LostRace {
            self.add(Counter::WastedNanos, age.as_nanos());
        }
    }

    pub(crate) fn cancellations(&self, kind: AttemptKind, reason: CancelReason) -> u64 {
        get(&self.cancelled[kind as usize][reason as usize])
    }

    /// Failed attempts of a kind, whatever followed.
    pub(crate) fn failures_of(&self, kind: AttemptKind) -> u64 {
        self.failures[kind as usize].iter().map(get).sum()
    }

    /// Attempts of a kind that were asked to stop, for whatever reason.
    pub(crate) fn cancellations_of(&self, kind: AttemptKind) -> u64 {
        self.cancelled[kind as usize].iter().map(get).sum()
    }

    /// A call that its policy would hedge is made on its caller's thread, which cannot: so it may be
    /// every call of a site, and each thread counts on its own line.
    #[inline]
    pub(crate) fn could_not_hedge(&self, shard: Shard) {
        add(&self.could_not_hedge[shard.index()], 1);
    }

    pub(crate) fn hedge_skipped(&self, reason: HedgeReason) {
        add(&self.skipped[reason as usize], 1);
    }

    pub(crate) fn hedges_skipped(&self, reason: HedgeReason) -> u64 {
        let by_shard = self.could_not_hedge.iter().map(|count| get(count)).sum::<u64>();
        let others = get(&self.skipped[reason as usize]);
        if reason == HedgeReason::NoExecutor { others + by_shard } else { others }
    }

    pub(crate) fn budget(&self, kind: AttemptKind, decision: BudgetDecision) {
        add(&self.budget[kind as usize][decision as usize], 1);
    }

    pub(crate) fn budget_decisions(&self, kind: AttemptKind, decision: BudgetDecision) -> u64 {
        get(&self.budget[kind as usize][decision as usize])
    }

    /// How long attempts ran, without the clean first successes.
    pub(crate) fn attempts(&self, kind: AttemptKind) -> Spread {
        self.attempts[kind as usize].spread()
    }

    /// How long calls took that succeeded or failed, without the clean first successes.
    pub(crate) fn calls(&self, success: bool) -> Spread {
        self.calls[usize::from(!success)].spread()
    }

    /// The clean first successes: these, all primaries that won, without those told here. For a
    /// scrape; without `histogram` what the last one was told.
    ///
    /// The two are not read at one time, so a difference could go down by those that are in
    /// between. A counter that goes down counts as a restart where it is read: so none ever does.
    pub(crate) fn clean(&self, histogram: Option<Spread>) -> Spread {
        match histogram {
            Some(all) => self.exposed.raise(all.without(&self.told_primaries.spread())),
            None => self.exposed.spread(),
        }
    }

    /// The reasons of attempts that failed or were asked to stop so far, at most [`MAX_REASONS`], then `None` for others.
    pub(crate) fn reasons(&self) -> Vec<ReasonCount> {
        self.reasons.snapshot()
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            plain: zeros(),
            verdicts: zeros(),
            wins: zeros(),
            late_wins: zeros(),
            failures: array::from_fn(|_| zeros()),
            cancelled: array::from_fn(|_| zeros()),
            skipped: zeros(),
            could_not_hedge: array::from_fn(|_| CachePadded::new(AtomicU64::new(0))),
            budget: array::from_fn(|_| zeros()),
            failed_via: zeros(),
            attempts: array::from_fn(|_| Durations::default()),
            told_primaries: Durations::default(),
            calls: array::from_fn(|_| Durations::default()),
            exposed: Durations::default(),
            reasons: Reasons::default(),
        }
    }
}

/// How often a reason was met; `None` stands for all that found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReasonCount {
    pub(crate) reason: Option<Reason>,
    pub(crate) count: u64,
}

/// The first reasons met, each with a place of its own; a place is taken once and for ever.
#[derive(Debug)]
struct Reasons {
    codes: [AtomicU64; MAX_REASONS],
    counts: [AtomicU64; MAX_REASONS],
    other: AtomicU64,
}

impl Reasons {
    fn add(&self, reason: Reason) {
        let code = encode(reason);
        for (place, count) in self.codes.iter().zip(&self.counts) {
            // Relaxed: a code is a number that stands for itself; nothing else hangs on it.
            let mut taken = place.load(Ordering::Relaxed);
            if taken == 0 && cfg!(rego_break = "site_check_then_act") {
                // Relaxed: as below.
                place.store(code, Ordering::Relaxed);
                taken = code;
            } else if taken == 0 {
                // Relaxed: as above; whoever loses the race finds the winner's code.
                taken = match place.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed)
                {
                    Ok(_) => code,
                    Err(other) => other,
                };
            }
            if taken == code {
                return add(count, 1);
            }
        }
        add(&self.other, 1);
    }

    fn snapshot(&self) -> Vec<ReasonCount> {
        let known = self.codes.iter().zip(&self.counts).filter_map(|(code, count)| {
            let reason = decode(get(code))?;
            Some(ReasonCount { reason: Some(reason), count: get(count) })
        });
        let mut counts: Vec<_> = known.collect();
        let other = get(&self.other);
        if other > 0 {
            counts.push(ReasonCount { reason: None, count: other });
        }
        counts
    }
}

impl Default for Reasons {
    fn default() -> Self {
        Self { codes: zeros(), counts: zeros(), other: AtomicU64::new(0) }
    }
}

/// A reason as a number that is never 0: its place in [`Reason::EXAMPLES`]' order of variants, and
/// what it carries.
fn encode(reason: Reason) -> u64 {
    let carried = match reason {
        Reason::Http(status) => u64::from(status),
        Reason::Grpc(code) => u64::from(code),
        Reason::Io(kind) => kind as u64,
        #[expect(clippy::cast_sign_loss, reason = "the bits come back as they went in")]
        Reason::Errno(number) => u64::from(number as u32),
        _ => 0,
    };
    let place = Reason::EXAMPLES.iter().position(|example| same_variant(*example, reason));
    (place.unwrap_or(Reason::EXAMPLES.len()) as u64 + 1) << 32 | carried
}

fn decode(code: u64) -> Option<Reason> {
    use crate::completion::IoKind;
    let place = usize::try_from(code >> 32).ok()?.checked_sub(1)?;
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what was carried")]
    let carried = code as u32;
    Some(match Reason::EXAMPLES.get(place)? {
        Reason::Http(_) => Reason::Http(u16::try_from(carried).unwrap_or(0)),
        Reason::Grpc(_) => Reason::Grpc(u8::try_from(carried).unwrap_or(u8::MAX)),
        #[expect(clippy::cast_possible_wrap, reason = "the bits come back as they went in")]
        Reason::Errno(_) => Reason::Errno(carried as i32),
        Reason::Io(_) => {
            let kind = IoKind::ALL.iter().find(|kind| **kind as u32 == carried);
            Reason::Io(*kind.unwrap_or(&IoKind::Other))
        }
        reason => *reason,
    })
}

fn same_variant(a: Reason, b: Reason) -> bool {
    match (a, b) {
        (Reason::CancelledInternal(a), Reason::CancelledInternal(b)) => a == b,
        _ => std::mem::discriminant(&a) == std::mem::discriminant(&b),
    }
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    array::from_fn(|_| AtomicU64::new(0))
}

fn add(counter: &AtomicU64, count: u64) {
    // Relaxed: a counter publishes nothing but itself.
    counter.fetch_add(count, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    // Relaxed: a counter publishes nothing but itself.
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::completion::IoKind;

    #[test]
    fn reasons_survive_their_encoding() {
        for reason in Reason::EXAMPLES {
            assert_eq!(decode(encode(*reason)), Some(*reason));
        }
        for reason in [Reason::Errno(-1), Reason::Http(999), Reason::Io(IoKind::Other)] {
            assert_eq!(decode(encode(reason)), Some(reason));
        }
        assert_eq!(decode(0), None);
    }

    #[test]
    fn the_seventeenth_reason_is_other() {
        let counters = Counters::default();
        for status in 500..520 {
            let outcome = Outcome::retryable(crate::outcome::Class::Server);
            counters.failure(
                AttemptKind::First,
                outcome.because(Reason::Http(status)),
                Nanos::ZERO,
            );
        }
        let reasons = counters.reasons();
        assert_eq!(reasons.len(), MAX_REASONS + 1);
        assert_eq!(reasons[16], ReasonCount { reason: None, count: 4 });
    }
}
