//! What a host is to do next, one by one: as it is said, and as it lies in memory.

use super::id::{AttemptRef, CallId};
use crate::{clock::Nanos, notes::AttemptKind, outcome::CancelReason, verdict::Verdict};

/// One thing the host is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start an attempt, and [`finish`](super::Manual::finish) it once, however it ends. Its time
    /// runs from the event that brought this.
    #[non_exhaustive]
    Start {
        /// Whose attempt it is.
        call: CallId,
        /// The call's [cookie](super::Begin::cookie).
        cookie: u64,
        /// To finish it by.
        attempt: AttemptRef,
        /// First, retry or hedge.
        kind: AttemptKind,
        /// Its number in the call: in launch order from 0.
        number: u32,
        /// Its retry group: 0 for the first.
        retry_index: u32,
        /// Its place in its group: 0 for the primary, then the hedges.
        hedge_index: u32,
        /// When it must be over; it is given up then, if the host says what time it is.
        deadline: Nanos,
    },
    /// Ask an attempt to stop. It still has to be finished, whenever it ends.
    #[non_exhaustive]
    Cancel {
        /// Whose attempt it is.
        call: CallId,
        /// The call's cookie.
        cookie: u64,
        /// Which.
        attempt: AttemptRef,
        /// Why.
        reason: CancelReason,
    },
    /// The call has ended. Nothing of it follows; attempts that still run are to be finished all
    /// the same.
    #[non_exhaustive]
    Done {
        /// Which call.
        call: CallId,
        /// Its cookie. The `Done` of a [pass-through](CallId::is_pass_through) call is always the
        /// answer to its own `finish`; of more than 65,536 in the air at once, further ones have
        /// 0 here.
        cookie: u64,
        /// How it ended and why.
        verdict: Verdict,
        /// Whose result is the call's: the winner's, or the last real failure's.
        answer: Option<AttemptRef>,
        /// What was handed in with the answer's finish; 0 without an answer.
        result: u64,
        /// How many attempts were launched.
        attempts: u32,
        /// How long the server wants to be left alone, if it said so last; never zero.
        retry_after: Option<Nanos>,
    },
}

impl Action {
    /// Whose it is.
    #[must_use]
    pub const fn call(&self) -> CallId {
        match self {
            Self::Start { call, .. } | Self::Cancel { call, .. } | Self::Done { call, .. } => *call,
        }
    }

    /// The call's [cookie](super::Begin::cookie).
    #[must_use]
    pub const fn cookie(&self) -> u64 {
        match self {
            Self::Start { cookie, .. }
            | Self::Cancel { cookie, .. }
            | Self::Done { cookie, .. } => *cookie,
        }
    }
}

/// An [`Action`] in memory.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Raw {
    what: u32,
    /// The number of an [`AttemptKind`], a [`CancelReason`] or a [`Verdict`].
    why: u32,
    call: CallId,
    cookie: u64,
    /// Or 0.
    pub(super) attempt: u64,
    deadline: Nanos,
    result: u64,
    /// Or 0.
    retry_after: Nanos,
    pub(super) number: u32,
    retry_index: u32,
    hedge_index: u32,
    reserved: u32,
}

pub(super) const START: u32 = 1;
pub(super) const CANCEL: u32 = 2;
pub(super) const DONE: u32 = 3;

impl Raw {
    #[inline(always)]
    pub(super) fn of(action: Action) -> Self {
        let blank = Self {
            what: 0,
            why: 0,
            call: action.call(),
            cookie: action.cookie(),
            attempt: 0,
            deadline: Nanos::ZERO,
            result: 0,
            retry_after: Nanos::ZERO,
            number: 0,
            retry_index: 0,
            hedge_index: 0,
            reserved: 0,
        };
        match action {
            Action::Start { attempt, kind, number, retry_index, hedge_index, deadline, .. } => {
                let (what, why, attempt) = (START, kind as u32, attempt.to_bits());
                Self { what, why, attempt, deadline, number, retry_index, hedge_index, ..blank }
            }
            Action::Cancel { attempt, reason, .. } => {
                Self { what: CANCEL, why: reason as u32, attempt: attempt.to_bits(), ..blank }
            }
            Action::Done { verdict, answer, result, attempts, retry_after, .. } => Self {
                what: DONE,
                why: verdict as u32,
                attempt: answer.map_or(0, AttemptRef::to_bits),
                result,
                number: attempts,
                retry_after: retry_after.unwrap_or(Nanos::ZERO),
                ..blank
            },
        }
    }

    #[inline]
    pub(super) fn action(&self) -> Action {
        let Self { call, cookie, result, number, retry_index, hedge_index, deadline, .. } = *self;
        let attempt = AttemptRef::from_bits(self.attempt);
        match self.what {
            START => {
                let kind = match self.why {
                    0 => AttemptKind::First,
                    1 => AttemptKind::Retry,
                    _ => AttemptKind::Hedge,
                };
                Action::Start {
                    call,
                    cookie,
                    attempt,
                    kind,
                    number,
                    retry_index,
                    hedge_index,
                    deadline,
                }
            }
            CANCEL => {
                let reason = CancelReason::ALL[self.why as usize];
                Action::Cancel { call, cookie, attempt, reason }
            }
            _ => Action::Done {
                call,
                cookie,
                verdict: self.verdict(),
                answer: (self.attempt != 0).then_some(attempt),
                result,
                attempts: number,
                retry_after: (self.retry_after != Nanos::ZERO).then_some(self.retry_after),
            },
        }
    }

    #[inline]
    pub(super) const fn is_done(&self) -> bool {
        self.what == DONE
    }

    /// Of one that is done.
    #[inline]
    pub(super) fn verdict(&self) -> Verdict {
        Verdict::ALL[self.why as usize]
    }
}
