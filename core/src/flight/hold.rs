//! Holding a flight: the right to drive its machine.

use super::{
    Exit, Flight, Generation, Ticket,
    word::{Seat, Word},
};
use crate::sync::Ordering;

/// The right to drive a flight's machine, of which there is one at a time.
///
/// Given back by [`let_go`](Self::let_go) or [`end`](Self::end). One that is dropped otherwise
/// keeps the flight held for ever.
#[must_use = "the flight stays held until it is let go or ended"]
#[derive(Debug)]
pub struct Hold<'a> {
    pub(super) flight: &'a Flight,
    pub(super) generation: Generation,
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
    /// Which use of the flight this is: what every later entry is asked for.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
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
        self.flight.step(Ordering::Release, |word| match word.launch() {
            Some((next, ticket)) => (Some(next), Ok(ticket)),
            None => (None, Err(Full)),
        })
    }

    /// The next piece of news, if there is any. One at a time: a seat is free again once its
    /// result has been taken, so read the result before launching.
    #[inline]
    pub fn take(&mut self) -> Option<News> {
        // Acquire: what the finisher wrote before READY, or the canceller before CANCEL,
        // happens-before the holder's reads.
        self.flight.step(Ordering::Acquire, |word| {
            if let Some(ticket) = word.first_ready() {
                (Some(word.with_seat(ticket, Seat::Free)), Some(News::Ready(ticket)))
            } else if word.is_cancelled() {
                (Some(word.without_cancel()), Some(News::Cancel))
            } else if word.is_time() {
                (Some(word.without_time()), Some(News::Time))
            } else {
                (None, None)
            }
        })
    }

    /// The attempts that were launched and not taken, the oldest first. Any of them may have ended
    /// meanwhile.
    pub fn seated(&self) -> impl Iterator<Item = Ticket> + use<> {
        // Relaxed: seats are taken and freed by this holder alone.
        Word::from_bits(self.flight.word.load(Ordering::Relaxed)).seated()
    }

    /// Lets go of a flight that is still in the air.
    ///
    /// # Errors
    ///
    /// The hold itself, if there is news: [`take`](Self::take) it first.
    #[inline]
    pub fn let_go(self) -> Result<(), Self> {
        let unheeded = cfg!(rego_break = "flight_let_go_unheeding");
        // Release: what this holder did to the machine happens-before what the next one does.
        let gone = self.flight.step(Ordering::Release, |word| {
            if word.has_news() && !unheeded { (None, false) } else { (Some(word.let_go()), true) }
        });
        if gone { Ok(()) } else { Err(self) }
    }

    /// Ends the call: whatever the holder has to read or write here is done. A cancel or a time
    /// that has just come is forgotten. After [`Exit::Freed`] the memory is the caller's to give
    /// back.
    ///
    /// # Errors
    ///
    /// The hold itself, if a result has come in meanwhile: [`take`](Self::take) it first, so that
    /// it is settled as late and not lost.
    pub fn end(self) -> Result<Exit, Self> {
        // Release: what was written happens-before the reads of whoever sees the call over, and
        // before the end of the memory's use. Acquire: as `retire`.
        self.flight
            .step(Ordering::AcqRel, |word| {
                if word.any_ready() {
                    return (None, None);
                }
                let (next, exit) = word.ended().exit();
                (Some(next), Some(exit))
            })
            .ok_or(self)
    }
}
