//! What is kept of calls that pass through, in slots of their own: that the attempt is in the air, and
//! until when the call may last.
//!
//! # Orderings
//!
//! - *call*: what is kept of it → `open` (Release) → whoever finds its word (Acquire).
//! - *cancel*: what was done before → `cancel`, `look_at` (Release) → whoever sees that the attempt should
//!   stop (Acquire).
//! - *slot*: what its last user did → the slab's (Release, Acquire).
//!
//! Modelled in `loom-tests/tests/manual.rs`.

use crate::{
    clock::Nanos,
    flight::{FlightId, Generation, Stale},
    policy::Idempotent,
    site::Site,
    slab::{Linked, Slab},
    sync::{Arc as Shared, AtomicU32, AtomicU64, Cell, Ordering, Shard},
    verdict::Verdict,
};

/// How many plain attempts are known one by one, at 64 bytes. Of further ones nothing is kept: they
/// can be finished, and finished twice.
pub(super) const KNOWN: usize = if cfg!(rego_loom) { 2 } else { 1 << 16 };

/// The slot of those nothing is kept of, and how many are told apart before their ids come back.
const UNKNOWN_SLOT: u32 = FlightId::SLOTS - 1;
const UNKNOWN_IDS: u64 = 1 << 20;

/// In a plain attempt's word, beside its generation. Its attempt is not finished.
const RUNNING: u64 = 1 << 32;
/// Its call is not done.
const LIVE: u64 = 1 << 33;
/// Its attempt should stop: the call was cancelled, or is done.
const CANCELLED: u64 = 1 << 34;
/// It was its deadline that ended the call.
const TOO_LATE: u64 = 1 << 35;
const FLAGS: u64 = RUNNING | LIVE | CANCELLED | TOO_LATE;

/// Calls that pass through.
pub(super) struct PlainCalls {
    slab: Slab<Plain>,
    /// How many were made that nothing is kept of, and how many of these were forgotten.
    unknown: AtomicU64,
    forgotten: AtomicU64,
}

/// One plain attempt, and its call.
///
/// Whoever takes RUNNING away has finished the attempt, and has the slot to itself; whoever takes
/// LIVE away has ended the call. That is often the same exchange.
struct Plain {
    link: AtomicU32,
    /// generation:32 | [`FLAGS`].
    word: AtomicU64,
    /// What the host gets back, and until when the call may last: for those who have found the word
    /// as they change it then.
    cookie: AtomicU64,
    deadline: AtomicU64,
    /// Written by the thread that begins the call, while the slot is its alone; taken by the one that
    /// finishes the attempt.
    kept: Cell<Option<Kept>>,
}

/// What is kept of a call until its attempt is finished.
pub(super) struct Kept {
    pub(super) site: Shared<Site>,
    pub(super) idempotent: Idempotent,
    pub(super) started: Nanos,
}

/// What a call has come to when it is looked at.
pub(super) enum Looked {
    /// Nothing, until this time.
    Goes(Nanos),
    /// Its end, which is the looker's to tell.
    Ended { verdict: Verdict, cookie: u64 },
}

/// What a finish has found.
pub(super) struct Closed {
    pub(super) kept: Kept,
    pub(super) cookie: u64,
    pub(super) deadline: Nanos,
    /// How the call had ended before: for its metrics, which were left to this.
    pub(super) ended: Option<Verdict>,
    /// Its end was asked for, and nobody had seen to it.
    pub(super) taken_back: bool,
}

// SAFETY: because `kept` is the thread's alone that has taken the slot and not opened it, and then
// the one's that has closed it: see `open` and `close`.
unsafe impl Sync for Plain {}

impl Default for Plain {
    fn default() -> Self {
        let [word, cookie, deadline] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { link: AtomicU32::new(0), word, cookie, deadline, kept: Cell::new(None) }
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
    pub(super) fn open(&self, kept: Kept, cookie: u64, deadline: Nanos) -> FlightId {
        let Some((index, plain)) = self.slab.acquire(Shard::current()) else {
            return self.next_unknown();
        };
        // Relaxed: the slot is this thread's.
        let last = generation_of(plain.word.load(Ordering::Relaxed));
        let generation = last.map_or(Generation::FIRST, Generation::next);
        // SAFETY: because the slot is this thread's until the word says that the call is open.
        plain.kept.with_mut(|cell| unsafe { *cell = Some(kept) });
        // Relaxed, both: published by the word.
        plain.cookie.store(cookie, Ordering::Relaxed);
        plain.deadline.store(deadline.as_nanos(), Ordering::Relaxed);
        // Release: all that happens-before whoever finds the call there.
        plain.word.store(u64::from(generation.get()) | RUNNING | LIVE, Ordering::Release);
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
    pub(super) fn close(&self, id: FlightId) -> Result<Option<Closed>, Stale> {
        if self.is_unknown(id)? {
            return Ok(None);
        }
        let plain = self.slab.get(id.slot()).ok_or(Stale)?;
        let found = plain.change(id, RUNNING, |word| word & !FLAGS)?;
        // SAFETY: because only one exchange takes RUNNING away, and the slot is not given back before.
        let kept = plain.kept.with_mut(|cell| unsafe { (*cell).take() });
        // Relaxed, both: the exchange orders them.
        let cookie = plain.cookie.load(Ordering::Relaxed);
        let deadline = Nanos::from_nanos(plain.deadline.load(Ordering::Relaxed));
        self.slab.release(id.slot());
        let ended = (found & LIVE == 0).then_some(match found & TOO_LATE {
            0 => Verdict::Cancelled,
            _ => Verdict::DeadlineExceeded,
        });
        let taken_back = ended.is_none() && found & CANCELLED != 0;
        Ok(kept.map(|kept| Closed { kept, cookie, deadline, ended, taken_back }))
    }

    /// The end of the call is asked for, of one that is known.
    pub(super) fn cancel(&self, id: FlightId) -> Result<(), Stale> {
        if self.is_unknown(id)? {
            return Ok(());
        }
        let plain = self.slab.get(id.slot()).ok_or(Stale)?;
        plain.change(id, LIVE, |word| word | CANCELLED).map(drop)
    }

    /// Ends the call if that was asked for, or if its time is up.
    pub(super) fn look_at(&self, id: FlightId, now: Nanos) -> Result<Looked, Stale> {
        if self.is_unknown(id)? {
            return Ok(Looked::Goes(Nanos::NEVER));
        }
        let plain = self.slab.get(id.slot()).ok_or(Stale)?;
        // Acquire: pairs with `open`, for what is read below.
        let found = plain.word.load(Ordering::Acquire);
        if !is(found, id, LIVE) {
            return Err(Stale);
        }
        // Relaxed, both: as of the word above, which the exchange below confirms.
        let deadline = Nanos::from_nanos(plain.deadline.load(Ordering::Relaxed));
        let cookie = plain.cookie.load(Ordering::Relaxed);
        let (verdict, mark) = match found & CANCELLED {
            0 if now < deadline => return Ok(Looked::Goes(deadline)),
            0 => (Verdict::DeadlineExceeded, CANCELLED | TOO_LATE),
            _ => (Verdict::Cancelled, CANCELLED),
        };
        plain.change(id, LIVE, |word| word & !LIVE | mark)?;
        Ok(Looked::Ended { verdict, cookie })
    }

    /// Whether its attempt is in the air, as far as is known.
    pub(super) fn look_up(&self, id: FlightId) -> Result<(), Stale> {
        self.flags(id).map(drop)
    }

    /// Whether its attempt should stop.
    pub(super) fn is_cancelled(&self, id: FlightId) -> bool {
        self.flags(id).map_or(true, |flags| flags & CANCELLED != 0)
    }

    fn flags(&self, id: FlightId) -> Result<u64, Stale> {
        if self.is_unknown(id)? {
            return Ok(RUNNING | LIVE);
        }
        let plain = self.slab.get(id.slot()).ok_or(Stale)?;
        // Acquire: who sees that the attempt should stop comes after whoever asked for it.
        let word = plain.word.load(Ordering::Acquire);
        if is(word, id, RUNNING) { Ok(word & FLAGS) } else { Err(Stale) }
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
            // Relaxed: it stands alone, and may be over a moment later.
            let word = self.slab.get(index)?.word.load(Ordering::Relaxed);
            let generation = generation_of(word)?;
            (word & RUNNING != 0).then(|| FlightId::new(index, generation))
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

impl Plain {
    /// Changes the word of this use, if it has the flag: what it was.
    fn change(&self, id: FlightId, flag: u64, change: impl Fn(u64) -> u64) -> Result<u64, Stale> {
        if cfg!(rego_break = "manual_plain_check_then_act") {
            // Acquire: as below, but two may find the flag.
            let word = self.word.load(Ordering::Acquire);
            if !is(word, id, flag) {
                return Err(Stale);
            }
            // Release: as below.
            self.word.store(change(word), Ordering::Release);
            return Ok(word);
        }
        // AcqRel: Acquire pairs with `open`; Release, for a cancel: what was done before happens-before
        // whoever sees it. Of two that take a flag away one is first. Relaxed on failure: a guess.
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                is(word, id, flag).then(|| change(word))
            })
            .map_err(|_| Stale)
    }
}

/// Whether the word is of this use, and has the flag.
fn is(word: u64, id: FlightId, flag: u64) -> bool {
    word & !FLAGS == u64::from(id.generation().get()) && word & flag != 0
}

fn generation_of(word: u64) -> Option<Generation> {
    Generation::parse(u32::try_from(word & !FLAGS).ok()?)
}
