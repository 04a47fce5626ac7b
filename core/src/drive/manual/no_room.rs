//! Calls that found no slot: one plain attempt each. What is kept of it says that it is in the air,
//! and no more.

use super::{
    Manual,
    finish::Said,
    id::{AttemptRef, CallId},
    step::{Action, Begin, Step},
};
use crate::{
    classify::{self, Context},
    clock::Nanos,
    completion::Completion,
    drive::judge_facts,
    flight::{FlightId, Generation, Stale},
    listener::Warning,
    notes::{AttemptId, AttemptKind},
    outcome::{Outcome, OutcomeKind},
    policy::Idempotent,
    site::{Counter, Site},
    slab::{Linked, Slab},
    sync::{Arc as Shared, AtomicU32, AtomicU64, Cell, Ordering, Shard},
    verdict::Verdict,
};

/// How many plain attempts are known one by one, at 48 bytes. Of further ones nothing is kept: they
/// can be finished, and finished twice.
pub(super) const KNOWN: usize = if cfg!(rego_loom) { 2 } else { 1 << 16 };

/// The slot of those nothing is kept of, and how many are told apart before their ids come back.
const UNKNOWN_SLOT: u32 = FlightId::SLOTS - 1;
const UNKNOWN_IDS: u64 = 1 << 20;

/// In a plain attempt's word, beside its generation: it is in the air.
const OPEN: u32 = 1 << 31;

/// Calls that pass through.
pub(super) struct PlainCalls {
    slab: Slab<Plain>,
    /// How many were made that nothing is kept of, and how many of these were forgotten.
    unknown: AtomicU64,
    forgotten: AtomicU64,
}

/// One plain attempt.
struct Plain {
    link: AtomicU32,
    /// Its generation, and [`OPEN`] until it is finished: whoever takes that away has finished it.
    word: AtomicU32,
    /// Written by the thread that begins the call, while the slot is its alone; taken by the one that
    /// finishes it.
    kept: Cell<Option<Kept>>,
}

/// What is kept of a call.
struct Kept {
    site: Shared<Site>,
    idempotent: Idempotent,
    started: Nanos,
    cookie: u64,
}

// SAFETY: because `kept` is the thread's alone that has taken the slot and not opened it, and then
// the one's that has closed it: see `open` and `close`.
unsafe impl Sync for Plain {}

impl Default for Plain {
    fn default() -> Self {
        Self { link: AtomicU32::new(0), word: AtomicU32::new(0), kept: Cell::new(None) }
    }
}

impl Linked for Plain {
    fn link(&self) -> &AtomicU32 {
        &self.link
    }
}

impl PlainCalls {
    pub(super) fn new() -> Self {
        Self { slab: Slab::new(KNOWN), unknown: AtomicU64::new(0), forgotten: AtomicU64::new(0) }
    }

    /// A call begins.
    fn open(&self, kept: Kept) -> FlightId {
        let Some((index, plain)) = self.slab.acquire(Shard::current()) else {
            return self.next_unknown();
        };
        // Relaxed: the slot is this thread's.
        let last = Generation::parse(plain.word.load(Ordering::Relaxed) & !OPEN);
        let generation = last.map_or(Generation::FIRST, Generation::next);
        // SAFETY: because the slot is this thread's until the word says that the call is open.
        plain.kept.with_mut(|cell| unsafe { *cell = Some(kept) });
        // Release: what is kept happens-before whoever finishes the attempt.
        plain.word.store(OPEN | generation.get(), Ordering::Release);
        FlightId::new(index, generation)
    }

    #[cold]
    fn next_unknown(&self) -> FlightId {
        // Relaxed: only the number matters.
        let nth = self.unknown.fetch_add(1, Ordering::Relaxed);
        let number = u32::try_from(nth % UNKNOWN_IDS + 1).ok();
        let generation = number.and_then(Generation::parse).unwrap_or(Generation::FIRST);
        FlightId::new(UNKNOWN_SLOT, generation)
    }

    /// Its attempt ends: what was kept of it.
    fn close(&self, id: FlightId) -> Result<Option<Kept>, Stale> {
        if self.is_unknown(id)? {
            return Ok(None);
        }
        let plain = self.slab.get(id.slot()).ok_or(Stale)?;
        let (open, closed) = (OPEN | id.generation().get(), id.generation().get());
        if cfg!(rego_break = "manual_plain_check_then_act") {
            // Acquire: as below, but two may find it open.
            if plain.word.load(Ordering::Acquire) != open {
                return Err(Stale);
            }
            // Relaxed: as below.
            plain.word.store(closed, Ordering::Relaxed);
        } else {
            // Acquire: pairs with `open`. Of two that finish it one is first, and has the slot to
            // itself. Relaxed on failure: it is over.
            plain
                .word
                .compare_exchange(open, closed, Ordering::Acquire, Ordering::Relaxed)
                .map_err(|_| Stale)?;
        }
        // SAFETY: because only one exchange closes it, and the slot is not given back before.
        let kept = plain.kept.with_mut(|cell| unsafe { (*cell).take() });
        self.slab.release(id.slot());
        Ok(kept)
    }

    /// Whether the call is in the air, as far as is known.
    pub(super) fn look_up(&self, id: FlightId) -> Result<(), Stale> {
        if self.is_unknown(id)? {
            return Ok(());
        }
        let plain = self.slab.get(id.slot()).ok_or(Stale)?;
        // Relaxed: it stands alone, and may be over a moment later.
        let is_open = plain.word.load(Ordering::Relaxed) == OPEN | id.generation().get();
        if is_open { Ok(()) } else { Err(Stale) }
    }

    /// How many are in the air, as far as is known.
    pub(super) fn unfinished(&self) -> usize {
        self.open_ones().count()
    }

    /// Finishes all of them, those as well that are not known. For a process with one thread.
    pub(super) fn forget(&self) {
        // Relaxed, both: there is one thread.
        self.forgotten.store(self.unknown.load(Ordering::Relaxed), Ordering::Relaxed);
        self.open_ones().for_each(|id| {
            let _finished_by_itself = self.close(id);
        });
    }

    fn open_ones(&self) -> impl Iterator<Item = FlightId> {
        (0..).take(self.slab.allocated()).filter_map(|index| {
            // Relaxed: as in `look_up`.
            let word = self.slab.get(index)?.word.load(Ordering::Relaxed);
            let generation = Generation::parse(word & !OPEN)?;
            (word & OPEN != 0).then(|| FlightId::new(index, generation))
        })
    }

    /// Whether it is one of those nothing is kept of; stale if it is none that was made.
    fn is_unknown(&self, id: FlightId) -> Result<bool, Stale> {
        if id.slot() != UNKNOWN_SLOT {
            return Ok(false);
        }
        let number = u64::from(id.generation().get()) - 1;
        // Relaxed, both: whoever has an id comes after its making.
        let made = self.unknown.load(Ordering::Relaxed);
        let left = made - self.forgotten.load(Ordering::Relaxed);
        // How many were made after the last one of this number.
        let since = made.wrapping_sub(number + 1) % UNKNOWN_IDS;
        if number < UNKNOWN_IDS && since < left { Ok(true) } else { Err(Stale) }
    }
}

impl Manual {
    /// All slots are taken: one plain attempt.
    #[cold]
    pub(super) fn find_no_room(
        &self,
        site: &Shared<Site>,
        begin: &Begin,
        step: &mut Step,
    ) -> CallId {
        self.0.host.warn(site, begin.now, Warning::NoRoom);
        self.pass_through(site, begin, step)
    }

    /// All slots are taken, or the site's engine is not to be trusted: one plain attempt.
    #[cold]
    pub(super) fn pass_through(
        &self,
        site: &Shared<Site>,
        begin: &Begin,
        step: &mut Step,
    ) -> CallId {
        site.counters.add(Counter::PassThrough, 1);
        let terms = site.terms();
        let (started, cookie) = (begin.now, begin.cookie);
        let idempotent = begin.idempotent_by(&terms.policy);
        let id = self.0.plain.open(Kept { site: Shared::clone(site), idempotent, started, cookie });
        let attempt = self.0.seal.plain(id);
        let call = attempt.call();
        let retry = &terms.policy.retry;
        let deadline = begin.deadline.min(begin.now + retry.overall_timeout);
        let action = if begin.now >= deadline {
            let _nobody_knows_it = self.0.plain.close(id);
            site.counters.ended(Verdict::DeadlineExceeded, None, Nanos::ZERO);
            Action::Done {
                call,
                cookie: begin.cookie,
                verdict: Verdict::DeadlineExceeded,
                answer: None,
                result: 0,
                attempts: 0,
                retry_after: None,
            }
        } else {
            Action::Start {
                call,
                cookie: begin.cookie,
                attempt,
                kind: AttemptKind::First,
                number: 0,
                retry_index: 0,
                hedge_index: 0,
                deadline: deadline.min(begin.now + retry.attempt_timeout),
            }
        };
        step.push(action);
        call
    }

    /// The end of a plain attempt, and of its call.
    #[cold]
    pub(super) fn end_plain(
        &self,
        id: FlightId,
        attempt: AttemptRef,
        (said, now): (&Said<'_>, Nanos),
        result: u64,
        step: &mut Step,
    ) -> Result<(), Stale> {
        let kept = self.0.plain.close(id)?;
        let outcome = match *said {
            Said::Facts(facts) => Some(judged(kept.as_ref(), facts)),
            Said::Outcome(outcome) => Some(outcome),
            Said::NotRun => None,
        };
        let verdict = match outcome.map(|outcome| outcome.kind) {
            Some(OutcomeKind::Success) => Verdict::Success,
            Some(_) => Verdict::PassThrough,
            None => Verdict::ExecutorRejected,
        };
        if let Some(Kept { site, started, .. }) = &kept {
            let length = now - *started;
            if verdict.is_success() {
                site.counters.win(AttemptKind::First, true, length);
            }
            site.counters.ended(verdict, outcome.map(|_| AttemptKind::First), length);
        }
        step.push(Action::Done {
            call: attempt.call(),
            cookie: kept.map_or(0, |kept| kept.cookie),
            verdict,
            answer: outcome.map(|_| attempt),
            result,
            attempts: 1,
            retry_after: outcome.and_then(|outcome| outcome.backoff_override),
        });
        Ok(())
    }
}

/// What follows from the facts of a plain attempt: on the terms of its site, if it is known.
fn judged(kept: Option<&Kept>, facts: &Completion) -> Outcome {
    match kept {
        Some(Kept { site, idempotent, .. }) => {
            judge_facts(site, &site.terms(), *idempotent, AttemptId::FIRST, facts)
        }
        None => {
            let context = Context::new(Idempotent::Unset);
            classify::judge(&classify::Named::default(), facts, &context)
        }
    }
}
