//! Where an attempt in the air keeps what belongs to it.
//!
//! # The word
//!
//! ```text
//!  63          32 31    16 15      8 7   4        3            2        1         0
//! ┌──────────────┬────────┬─────────┬─────┬─────────────┬─────────┬────────┬───────────┐
//! │ generation   │ 0      │ ticket  │ 0   │ HOST_JUDGES │ STARTED │ QUEUED │ CANCELLED │  0: nobody's
//! └──────────────┴────────┴─────────┴─────┴─────────────┴─────────┴────────┴───────────┘
//! ```
//!
//! Whose seat it is, and what is known of that attempt. Two cells lie beside it: what was launched,
//! and how it ended. Who may touch them is decided by the flight's word, not by this one.
//!
//! # Paths
//!
//! - *prepare*: the holder writes the launch, then whose seat it is.
//! - *mark*: an exchange that compares whose it is, so an old id marks nothing of the next attempt.
//! - *finish*: whoever has claimed the attempt writes its end; the holder that was given the
//!   result takes it, or its finisher if that came late, and the seat is nobody's.
//!
//! # Orderings
//!
//! - *launch*: written → the ticket's way to its finisher → `claim` (Acquire; see the flight) →
//!   read. While the call is alive the holder may read it, too; so a late finisher, who clears it,
//!   acquires the flight's end first.
//! - *end*: written → `ready` (Release) → `take` (Acquire) → read.
//! - *marks*: done before → `mark` (Release) → `marks` (Acquire) → done on seeing it.
//!
//! Modelled in `loom-tests/tests/manual.rs`.

use crate::{
    call::Launch,
    clock::Nanos,
    completion::Completion,
    flight::{Generation, Stale, Ticket},
    outcome::Outcome,
    sync::{AtomicU64, Cell, Ordering, Overwrite},
};

/// The attempt was asked to stop.
pub(super) const CANCELLED: u64 = 1;
/// The host has put it into a queue …
pub(super) const QUEUED: u64 = 2;
/// … and taken it out again to run it.
pub(super) const STARTED: u64 = 4;

/// Its facts are judged by code of the host's: not while the flight is held.
pub(super) const HOST_JUDGES: u64 = 8;

const MARKS: u64 = 0xff;

/// One of a flight's seats: prepared by the holder while it is free, written once by whoever
/// claims the attempt to finish it, read by whoever takes the result.
///
/// `marks` is generation:32 | ticket:8, whose seat it is, or 0 if it is nobody's, and what is known
/// of that attempt:8. Marks are set by exchanges that compare whose it is, so an old id never marks
/// the next attempt in the same seat.
pub(super) struct Seat {
    launch: Cell<Option<Launch>>,
    marks: AtomicU64,
    end: Cell<Option<End>>,
}

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// `None`: it never ran.
    pub(super) outcome: Option<Outcome>,
    pub(super) facts: Option<Completion>,
    /// The host's.
    pub(super) result: u64,
    pub(super) at: Nanos,
}

impl End {
    /// It was never run.
    pub(super) const fn not_run(at: Nanos) -> Self {
        Self { outcome: None, facts: None, result: 0, at }
    }
}

impl Seat {
    pub(super) fn new() -> Self {
        Self { launch: Cell::new(None), marks: AtomicU64::new(0), end: Cell::new(None) }
    }

    /// Prepares the seat for an attempt, with `HOST_JUDGES` or no mark. Only for the holder, before
    /// it lets the ticket be known.
    #[inline]
    pub(super) fn prepare(
        &self,
        generation: Generation,
        ticket: Ticket,
        launch: Launch,
        mark: u64,
    ) {
        self.launch.with_mut(|cell| {
            // SAFETY: because the seat's last result has been taken, and its next finisher comes
            // after the holder has let go of the ticket.
            unsafe { *cell = Some(launch) };
        });
        // Relaxed: whoever has the id has it from the thread that does this.
        self.marks.overwrite(whose(generation, ticket) | mark, Ordering::Relaxed);
    }

    /// What was launched here. Only for the holder, and for whoever has claimed the attempt.
    #[inline]
    pub(super) fn launch(&self) -> Option<Launch> {
        self.launch.with(|cell| {
            // SAFETY: because it is written before the ticket is known and after the result was
            // taken: not while the attempt is alive or claimed; and by the holder alone while the
            // call is.
            unsafe { *cell }
        })
    }

    /// Writes how the attempt ended. Only for whoever has claimed it, or holds the flight and has its
    /// result for news.
    #[inline]
    pub(super) fn write(&self, end: End) {
        self.end.with_mut(|cell| {
            // SAFETY: because of the claim, which is given to one; the Release of `ready` lets the
            // holder read it, unless it is the holder that writes.
            unsafe { *cell = Some(end) };
        });
    }

    /// Takes the result, and with it the seat: whoever asks for the attempt finds it over. Only for
    /// the holder that was given this result, or for its own finisher if that came late; it reads
    /// what it gets before it launches again or leaves.
    #[inline]
    pub(super) fn take(&self) -> Option<(&Launch, &End)> {
        // Relaxed: the attempt is over whoever sees it when.
        self.marks.overwrite(0, Ordering::Relaxed);
        let launch = self.launch.with(|cell| {
            // SAFETY: because the result was published by `ready` and taken (Acquire), or never
            // published and still the finisher's own; either way nobody else is at this seat.
            unsafe { &*cell }.as_ref()
        });
        let end = self.end.with(|cell| {
            // SAFETY: because of the same.
            unsafe { &*cell }.as_ref()
        });
        launch.zip(end)
    }

    /// Nothing is left of the result. Only for whoever has [taken](Self::take) and read it.
    #[inline]
    pub(super) fn clear(&self) {
        self.launch.with_mut(|cell| {
            // SAFETY: because of the same as in `take`; a holder of before may have looked at it, and
            // a late finisher has acquired the flight's end since.
            unsafe { *cell = None };
        });
        self.end.with_mut(|cell| {
            // SAFETY: because of the same as in `take`.
            unsafe { *cell = None };
        });
    }

    /// Marks this attempt.
    pub(super) fn mark(
        &self,
        generation: Generation,
        ticket: Ticket,
        mark: u64,
    ) -> Result<(), Stale> {
        if cfg!(rego_break = "manual_mark_check_then_act") {
            self.marks(generation, ticket).ok_or(Stale)?;
            // Release: as below.
            self.marks.fetch_or(mark, Ordering::Release);
            return Ok(());
        }
        // Release: what was done before an attempt is asked to stop, or said to be queued or
        // started, happens-before what is done on seeing it. Relaxed on failure: a guess.
        self.marks
            .fetch_update(Ordering::Release, Ordering::Relaxed, |marks| {
                (marks & !MARKS == whose(generation, ticket)).then_some(marks | mark)
            })
            .map_or(Err(Stale), |_| Ok(()))
    }

    /// What is known of this attempt; `None` if it is over.
    #[inline]
    pub(super) fn marks(&self, generation: Generation, ticket: Ticket) -> Option<u64> {
        // Acquire: pairs with `mark`.
        let marks = self.marks.load(Ordering::Acquire);
        (marks & !MARKS == whose(generation, ticket)).then_some(marks & MARKS)
    }
}

/// Never 0: a generation is not.
fn whose(generation: Generation, ticket: Ticket) -> u64 {
    u64::from(generation.get()) << 32 | u64::from(ticket.get()) << 8
}
