//! One call in the air, finished from many threads: state word, baton.
//!
//! Attempts of a call end on whatever threads they ran on; time and the caller's cancel come from
//! others. All of them want to move one small machine, and none of them may wait for another. So
//! the machine is a baton: an event is written into one atomic word, and whoever finds nobody
//! holding the flight takes hold, hands the machine everything that has arrived, and lets go by an
//! exchange that fails if something has arrived meanwhile.
//!
//! This room knows nothing of the machine. It lives in two homes: in an `Arc`, where the flight is
//! used once, and in a slab, where it is used again and again and ids of its earlier uses must
//! find nothing.
//!
//! # The word
//!
//! ```text
//!  63          34 33      28  27     26      25    24   23                    0
//! ┌──────────────┬──────────┬───────┬────────┬──────┬──────┬────────────────────┐
//! │ generation   │ launched │ ENDED │ CANCEL │ TIME │ HELD │ 12 seats of 2 bits │
//! └──────────────┴──────────┴───────┴────────┴──────┴──────┴────────────────────┘
//! ```
//!
//! - *generation*: which use of this word. Every entry is an exchange that compares it, so what is
//!   stale changes nothing. A separate check would not do: the flight can end, be freed and begin
//!   anew between the check and the act.
//! - *launched*: how many attempts there were, and so the ticket of the next. Ticket *t* sits in
//!   seat *t* mod 12, and *launched* tells which of the tickets of a seat is the last one: a second
//!   finish of attempt 1 cannot settle attempt 13.
//! - *HELD*: a thread has the machine to itself.
//! - *TIME*, *CANCEL*: news for the holder.
//! - *ENDED*: the call is over. Attempts that still run may finish; nobody drives.
//! - *seats*: FREE → ALIVE (launched) → CLAIMED (being finished) → READY (news) → FREE (taken). A
//!   seat that is READY is the holder's alone, so it frees it with whatever it changes next.
//!
//! # Paths
//!
//! - *fast*, three changes of the word: [`begin`](Flight::begin),
//!   [`launch`](Hold::launch) and [`let_go`](Hold::let_go) are one store, for nobody else knows of
//!   the flight; [`arrive`](Flight::arrive) finds nobody holding, and claims, publishes and takes
//!   hold by one exchange; [`take`](Hold::take) is a load, and [`end`](Hold::end) one exchange.
//! - *told of before it is let go*: [`show`](Hold::show), which is that store; *a finisher without
//!   rivals*: [`ready`](Flight::ready) alone.
//! - *contended*: [`arrive`](Flight::arrive) finds a holder and only claims; [`ready`](Flight::ready)
//!   finds one still and leaves: [`Drive::Elsewhere`]. The holder's `let_go` fails, and it takes that
//!   result too. Either `ready` comes first in the word's history, and the exchange of `let_go` sees
//!   READY; or `let_go` comes first, and the exchange of `ready` sees no HELD and takes it. There is
//!   no third order, so no result is left lying.
//! - *late*: `ready` finds ENDED: [`Drive::Late`]. The finisher settles for itself and
//!   [`retire`](Flight::retire)s. The flight is freed by the exchange, of `end` or `retire`, after
//!   which no seat is taken: it raises the generation, and exactly one thread is told
//!   [`Exit::Freed`].
//!
//! A result is published and its attempt ceases to be alive in one step. Two steps are how a call
//! hangs: a thread that looks in between finds an attempt alive that will never post again.
//!
//! # Orderings
//!
//! Every change but those by which a flight begins is a read-modify-write, so each release in the
//! word's history heads a release sequence that later changes do not cut. Four edges carry
//! everything:
//!
//! - *first*: the beginner's writes → the store that shows what was unseen, or lets go of it (Release)
//!   → whoever finds the flight (Acquire).
//! - *result*: the finisher's writes → READY (Release) → `take` (Acquire) → the holder's reads.
//! - *machine*: the holder's writes → `let_go` (Release) → the exchange that takes HELD (Acquire).
//! - *memory*: everything anybody did → `end`, `retire` (Release) → the last of them (Acquire), who
//!   gives the memory back; and → [`is_over`](Flight::is_over) (Acquire), after which the caller
//!   reads the answer.
//!
//! Modelled in `loom-tests/tests/flight.rs`.

mod hold;
mod id;
mod word;

#[cfg(any(test, rego_loom))]
pub use hold::Full;
pub use hold::{Hold, News};
pub use id::{AttemptRef, FlightId, Generation, Ticket};
#[cfg(any(test, rego_loom))]
pub use word::LAUNCHES;
pub use word::SEATS;

use std::fmt;

use crate::sync::{AtomicU64, Ordering};
use word::{Seat, Word};

/// What the loom models' negative control weakens.
// AcqRel: as `ready` says. Relaxed: a break that the models must find.
const PUBLISH: Ordering =
    if cfg!(rego_break = "flight_ready_relaxed") { Ordering::Relaxed } else { Ordering::AcqRel };

// Acquire: as `post` says. Relaxed: a break that the models must find.
const LATE: Ordering =
    if cfg!(rego_break = "flight_late_relaxed") { Ordering::Relaxed } else { Ordering::Acquire };

/// The state word of one call in the air. Thread-safe.
pub struct Flight {
    word: AtomicU64,
}

/// Who drives the machine after an event.
#[must_use]
#[derive(Debug)]
pub enum Drive<'a> {
    /// The caller of this: take what is there, until letting go succeeds.
    You(Hold<'a>),
    /// Another thread, which sees the event before it lets go.
    Elsewhere,
    /// Nobody: the call is over. Whoever comes with a result settles it and
    /// [`retire`](Flight::retire)s.
    Late,
}

/// What a finisher has found.
#[must_use]
#[derive(Debug)]
pub enum Arrival<'a> {
    /// Nobody who drives: write the result, then take what is there, until letting go succeeds.
    Driving(Hold<'a>),
    /// Somebody who drives, or a call that is over: write the result, then say that it is
    /// [ready](Flight::ready).
    Claimed,
}

/// Who sees to a cancel.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// The thread that drives, before it lets go.
    Elsewhere,
    /// The next that polls, finishes or wakes by time: nobody drives at present.
    Next,
    /// The call is over.
    Late,
}

/// What is left of a flight whose call has ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nothing: the caller of this was the last, and gives the memory back.
    Freed,
    /// Attempts that still run; the last of them frees it.
    Occupied,
}

/// What the id names is over, settled, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("what the id names is over, or never was")
    }
}

impl std::error::Error for Stale {}

impl Flight {
    /// A vacant flight, ready to [`begin`](Self::begin).
    #[must_use]
    pub fn new() -> Self {
        Self { word: AtomicU64::new(Word::vacant(Generation::FIRST).bits()) }
    }

    /// Begins a call, held by the calling thread. The flight is vacant and the caller its owner: it
    /// was just made, or its slot was just taken out of the slab. Nobody is told of it, nor of its
    /// attempts, before the holder [shows](Hold::show) it, lets go or ends it: until then the word is
    /// the holder's own, and no exchange is made.
    #[inline]
    pub fn begin(&self) -> Hold<'_> {
        // Relaxed: the owner reads what it was handed together with the flight.
        let word = Word::from_bits(self.word.load(Ordering::Relaxed));
        debug_assert!(word.is_vacant(), "a flight begins when the one before is over: {word:?}");
        Hold::unseen(self, word.generation())
    }

    /// As [`begin`](Self::begin), shown at once.
    #[cfg(any(test, rego_loom))]
    pub fn begin_shown(&self) -> Hold<'_> {
        let mut hold = self.begin();
        hold.show();
        hold
    }

    /// Takes a result's place to itself: until [`ready`](Self::ready), the caller alone may write
    /// what belongs to the seat. A finisher that cannot have a rival, because the ticket is its own
    /// and cannot be copied, need not claim.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the attempt has been finished already, or never was.
    #[inline]
    pub fn claim(&self, generation: Generation, ticket: Ticket) -> Result<(), Stale> {
        if cfg!(rego_break = "flight_claim_check_then_act") {
            return self.claim_check_then_act(generation, ticket);
        }
        // Acquire: the seat's last use by the holder, before `launch` released it, happens-before
        // what the finisher writes there.
        self.step(Ordering::Acquire, |word| {
            if word.generation() == generation && word.seat(ticket) == Seat::Alive {
                (Some(word.with_seat(ticket, Seat::Claimed)), Ok(()))
            } else {
                (None, Err(Stale))
            }
        })
    }

    /// As [`claim`](Self::claim) and [`ready`](Self::ready) in one exchange, where nobody drives: the
    /// caller takes hold and is the first to hear of its own result, which it writes before it takes
    /// any news. Where somebody does, or the call is over, only the claim is made.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    #[inline]
    pub fn arrive(&self, generation: Generation, ticket: Ticket) -> Result<Arrival<'_>, Stale> {
        // Acquire: as `claim`, and for the machine as `ready`. There is nothing to release yet.
        self.step(Ordering::Acquire, |word| {
            if word.generation() != generation || word.seat(ticket) != Seat::Alive {
                return (None, Err(Stale));
            }
            let alone = !word.is_held() || cfg!(rego_break = "flight_arrive_unheeding");
            if word.is_live(generation) && alone {
                let hold = Hold::of(self, generation);
                (Some(word.with_seat(ticket, Seat::Ready).held()), Ok(Arrival::Driving(hold)))
            } else {
                (Some(word.with_seat(ticket, Seat::Claimed)), Ok(Arrival::Claimed))
            }
        })
    }

    /// Publishes a result. After [`Drive::Late`] the seat is still the caller's, and it must
    /// [`retire`](Self::retire).
    #[inline]
    pub fn ready(&self, generation: Generation, ticket: Ticket) -> Drive<'_> {
        // Release: what was written into the seat happens-before the `take` of this result.
        // Acquire: when HELD is taken, what the last holder did to the machine before it let go
        // happens-before what this one does.
        self.post(PUBLISH, generation, |word| {
            debug_assert!(matches!(word.seat(ticket), Seat::Alive | Seat::Claimed), "{word:?}");
            word.with_seat(ticket, Seat::Ready)
        })
    }

    /// The time that was asked for has come.
    pub fn knock_time(&self, generation: Generation) -> Drive<'_> {
        // AcqRel: as `ready`, for the machine. The exchange is made even if it changes nothing:
        // only the latest value tells whether a holder will still look.
        self.post(Ordering::AcqRel, generation, Word::with_time)
    }

    /// Takes hold if nobody has it, to see to what is there.
    pub fn poll(&self, generation: Generation) -> Drive<'_> {
        // AcqRel: as `knock_time`.
        self.post(Ordering::AcqRel, generation, |word| word)
    }

    /// Asks for the end of the call without taking hold: a loop of one exchange, so a signal
    /// handler may do it.
    pub fn cancel(&self, generation: Generation) -> Cancel {
        // Release: what the canceller did before happens-before the `take` of the cancel. The
        // exchange is made even if it changes nothing, as in `knock_time`.
        self.step(Ordering::Release, |word| {
            if !word.is_live(generation) {
                return (None, Cancel::Late);
            }
            let seen_by = if word.is_held() { Cancel::Elsewhere } else { Cancel::Next };
            (Some(word.with_cancel()), seen_by)
        })
    }

    /// Whether the end of this call was asked for and nobody has seen to it yet.
    #[must_use]
    pub fn is_cancelled(&self, generation: Generation) -> bool {
        // Acquire: pairs with the Release of `cancel`, as the `take` of it does.
        let word = Word::from_bits(self.word.load(Ordering::Acquire));
        word.is_live(generation) && word.is_cancelled()
    }

    /// A late finisher leaves its seat. After [`Exit::Freed`] the memory is the caller's to give
    /// back.
    pub fn retire(&self, generation: Generation, ticket: Ticket) -> Exit {
        // Release: what this finisher did happens-before the end of the memory's use.
        // Acquire: for the last one, what all others did happens-before it gives the memory back.
        self.step(Ordering::AcqRel, |word| {
            if word.generation() != generation || word.seat(ticket) == Seat::Free {
                debug_assert!(false, "a seat is left by whoever has it: {word:?}");
                return (None, Exit::Occupied);
            }
            let (next, exit) = word.with_seat(ticket, Seat::Free).exit();
            (Some(next), exit)
        })
    }

    /// Whether the call of this generation has ended. Once it has, everything the holder wrote
    /// before [`Hold::end`] may be read.
    #[inline]
    #[must_use]
    pub fn is_over(&self, generation: Generation) -> bool {
        // Acquire: what the last holder wrote happens-before the caller's reads.
        !Word::from_bits(self.word.load(Ordering::Acquire)).is_live(generation)
    }

    /// Which use of the flight it is at present: for those who know that it is not over, or do not
    /// care.
    #[must_use]
    pub fn generation(&self) -> Generation {
        // Relaxed: it changes when the flight is freed, which the caller knows it is not.
        Word::from_bits(self.word.load(Ordering::Relaxed)).generation()
    }

    /// How many attempts were launched and not finished.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        // Relaxed: a figure; nothing is read on the strength of it.
        Word::from_bits(self.word.load(Ordering::Relaxed)).unfinished()
    }

    /// Adds an event to a live flight, and takes hold in the same step if nobody has it.
    #[inline]
    fn post(
        &self,
        order: Ordering,
        generation: Generation,
        event: impl Fn(Word) -> Word,
    ) -> Drive<'_> {
        // The caller's ordering, with its reason.
        self.step(order, |word| {
            if !word.is_live(generation) {
                // Acquire: the holder's last looks at the seats, before `end` released them,
                // happen-before what a late finisher does with its own.
                self.word.load(LATE);
                return (None, Drive::Late);
            }
            let next = event(word);
            if word.is_held() {
                (Some(next), Drive::Elsewhere)
            } else {
                (Some(next.held()), Drive::You(Hold::of(self, generation)))
            }
        })
    }

    /// The one loop: `step` says what comes after the word it sees, if anything, and what that
    /// means.
    #[inline]
    fn step<R>(&self, order: Ordering, mut step: impl FnMut(Word) -> (Option<Word>, R)) -> R {
        // Relaxed: a guess, which the exchange confirms or corrects. What is answered without an
        // exchange (stale, late, nothing new) stays true once it has been.
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let (next, answer) = step(Word::from_bits(seen));
            let Some(next) = next else { return answer };
            // Relaxed on failure: a guess again, as above. On success the caller's, with its reason.
            match self.word.compare_exchange_weak(seen, next.bits(), order, Ordering::Relaxed) {
                Ok(_) => return answer,
                Err(newer) => seen = newer,
            }
        }
    }

    /// What `claim` must not be: the flight may be freed and begin anew, or another finisher may
    /// come, between the check and the act.
    fn claim_check_then_act(&self, generation: Generation, ticket: Ticket) -> Result<(), Stale> {
        // Acquire: as `claim`.
        let word = Word::from_bits(self.word.load(Ordering::Acquire));
        if word.generation() != generation || word.seat(ticket) != Seat::Alive {
            return Err(Stale);
        }
        // Acquire: as `claim`.
        self.step(Ordering::Acquire, |word| (Some(word.with_seat(ticket, Seat::Claimed)), Ok(())))
    }
}

impl Default for Flight {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Relaxed: a picture for people.
        fmt::Debug::fmt(&Word::from_bits(self.word.load(Ordering::Relaxed)), f)
    }
}

#[cfg(test)]
mod tests;
