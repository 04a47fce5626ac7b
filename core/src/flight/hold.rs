//! Holding a flight: the right to drive its machine.

use super::{
    Exit, Flight, Generation, Ticket,
    word::{Seat, Seats, Word},
};
use crate::sync::Ordering;

/// What the loom models' negative control weakens.
// Release: what its beginner did to a flight that nobody had seen happens-before what others do who
// find it. Nobody changes a word that is vacant, so a store will do. Relaxed: a break that the models
// must find.
const FIRST_SEEN: Ordering =
    if cfg!(rego_break = "flight_unseen_relaxed") { Ordering::Relaxed } else { Ordering::Release };

/// The right to drive a flight's machine, of which there is one at a time.
///
/// Given back by [`let_go`](Self::let_go) or [`end`](Self::end). One that is dropped otherwise
/// keeps the flight held for ever.
#[must_use = "the flight stays held until it is let go or ended"]
#[derive(Debug)]
pub struct Hold<'a> {
    flight: &'a Flight,
    generation: Generation,
    /// Seats whose results were taken: free from the next exchange on.
    taken: Seats,
    /// The word of a flight that nobody has been told of: the holder's own, and written out when it
    /// [shows](Self::show) it or lets go.
    unseen: Option<Word>,
}

/// Something the holder has not taken yet, in the order in which it is given out: results before
/// time, because a success that has arrived wins however late it is.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// This attempt ended, and how is written down. The oldest attempt comes first.
    Ready(Ticket),
    /// The caller does not want it any more.
    Cancel,
    /// The time that was asked for has come.
    Time,
}

/// No more attempts: the one that had the seat before is unfinished, or [`LAUNCHES`](super::LAUNCHES) is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<'a> Hold<'a> {
    pub(super) const fn of(flight: &'a Flight, generation: Generation) -> Self {
        Self { flight, generation, taken: Seats::NONE, unseen: None }
    }

    pub(super) const fn unseen(flight: &'a Flight, generation: Generation) -> Self {
        let unseen = Some(Word::begun(generation));
        Self { flight, generation, taken: Seats::NONE, unseen }
    }

    /// Which use of the flight this is: what every later entry is asked for.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// From here on others may be told of the flight and of its attempts, before it is let go.
    #[inline]
    pub fn show(&mut self) {
        if let Some(word) = self.unseen.take() {
            self.flight.word.store(word.bits(), FIRST_SEEN);
        }
    }

    /// Counts one more attempt in. Its seat is the holder's to prepare until the ticket is handed
    /// on.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no seat; then there will be none until the attempt launched
    /// [`SEATS`](super::SEATS) before has finished.
    #[inline]
    pub fn launch(&mut self) -> Result<Ticket, Full> {
        // Release: what the holder did with the seat's last result happens-before the claim, and
        // the writes, of the next finisher.
        self.change(Ordering::Release, Word::launch).ok_or(Full)
    }

    /// The next piece of news, if there is any. One at a time: a seat may be used again once its
    /// result has been taken, so read the result before launching.
    #[inline]
    pub fn take(&mut self) -> Option<News> {
        let word = self.word();
        if !word.has_news() {
            return None;
        }
        if let Some(ticket) = word.first_ready() {
            // Nobody but the holder changes a seat that is ready: it is freed with the next change.
            self.taken.insert(ticket);
            return Some(News::Ready(ticket));
        }
        self.take_sign()
    }

    /// A cancel or the time: by an exchange of its own, because the next one may follow at once.
    #[cold]
    fn take_sign(&mut self) -> Option<News> {
        // Acquire: as `word`.
        self.change(Ordering::Acquire, |word| {
            if word.is_cancelled() {
                Some((word.without_cancel(), News::Cancel))
            } else if word.is_time() {
                Some((word.without_time(), News::Time))
            } else {
                None
            }
        })
    }

    /// Takes back an attempt that nobody has been told of: its end, which the caller writes, is news
    /// for the holder. False if somebody who guessed its id has it.
    pub fn take_back(&mut self, ticket: Ticket) -> bool {
        // Acquire: as `claim`.
        self.change(Ordering::Acquire, |word| {
            let alive = word.seat(ticket) == Seat::Alive;
            alive.then(|| (word.with_seat(ticket, Seat::Ready), ()))
        })
        .is_some()
    }

    /// Whether the end of the call was asked for and has not been [taken](Self::take).
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.word().is_cancelled()
    }

    /// The attempts that were launched and not taken, the oldest first. Any of them may have ended
    /// meanwhile.
    pub fn seated(&self) -> impl Iterator<Item = Ticket> + use<> {
        self.word().seated()
    }

    /// Lets go of a flight that is still in the air.
    ///
    /// # Errors
    ///
    /// The hold itself, if there is news: [`take`](Self::take) it first.
    #[inline]
    pub fn let_go(mut self) -> Result<(), Self> {
        let unheeded = cfg!(rego_break = "flight_let_go_unheeding");
        // Release: what this holder did to the machine happens-before what the next one does.
        let gone = self.leave(Ordering::Release, |word| {
            (!word.has_news() || unheeded).then(|| (word.let_go(), ()))
        });
        gone.ok_or(self)
    }

    /// Ends the call: whatever the holder has to read or write here is done. A cancel or a time
    /// that has just come is forgotten. After [`Exit::Freed`] the memory is the caller's to give
    /// back.
    ///
    /// # Errors
    ///
    /// The hold itself, if a result has come in meanwhile: [`take`](Self::take) it first, so that
    /// it is settled as late and not lost.
    #[inline]
    pub fn end(mut self) -> Result<Exit, Self> {
        // Release: what was written happens-before the reads of whoever sees the call over, and
        // before the end of the memory's use. Acquire: as `retire`.
        let exit =
            self.leave(Ordering::AcqRel, |word| (!word.any_ready()).then(|| word.ended().exit()));
        exit.ok_or(self)
    }

    /// How things stand for the holder.
    #[inline]
    fn word(&self) -> Word {
        let word = match self.unseen {
            Some(word) => word,
            // Acquire: what a finisher wrote before READY, or a canceller before CANCEL,
            // happens-before the holder's reads.
            None => Word::from_bits(self.flight.word.load(Ordering::Acquire)),
        };
        word.without(self.taken)
    }

    /// One change of the word by its holder, which frees the seats that were taken besides. `None`,
    /// and no change, if `change` has none.
    #[inline]
    fn change<R>(
        &mut self,
        order: Ordering,
        mut change: impl FnMut(Word) -> Option<(Word, R)>,
    ) -> Option<R> {
        let taken = self.taken;
        let answer = match &mut self.unseen {
            Some(word) => change(word.without(taken)).map(|(next, answer)| {
                *word = next;
                answer
            }),
            // The caller's ordering, with its reason.
            None => self.flight.step(order, |word| match change(word.without(taken)) {
                Some((next, answer)) => (Some(next), Some(answer)),
                None => (None, None),
            }),
        };
        if answer.is_some() {
            self.taken = Seats::NONE;
        }
        answer
    }

    /// The holder's last change, after which the flight is there for all.
    #[inline]
    fn leave<R>(
        &mut self,
        order: Ordering,
        change: impl FnMut(Word) -> Option<(Word, R)>,
    ) -> Option<R> {
        // The caller's ordering, with its reason.
        let answer = self.change(order, change)?;
        self.show();
        Some(answer)
    }
}
