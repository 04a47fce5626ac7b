//! What a host hands in and what it is to do next.

use std::{fmt, mem::MaybeUninit};

use super::action::{Action, CANCEL, DONE, Raw, START};
use crate::{
    clock::Nanos,
    policy::{Idempotent, Policy},
    verdict::Verdict,
};

/// The most actions one step carries.
pub const MAX_ACTIONS: usize = 4;

/// How a call begins: the time, and what it asks for besides its key's policy.
///
/// ```
/// use rego::{Nanos, manual::Begin};
///
/// let now = Nanos::from_millis(17);
/// let begin = Begin::new(now).deadline(now + Nanos::from_millis(50)).cookie(7);
/// assert_eq!(begin.deadline, Nanos::from_millis(67));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Begin {
    /// The time, on the host's monotonic clock.
    pub now: Nanos,
    /// Until when the caller will wait, on the same clock; the policy's overall timeout holds
    /// besides.
    pub deadline: Nanos,
    /// Handed back with every action of the call.
    pub cookie: u64,
    /// Whether repeating this request is safe, whatever the policy says of its key.
    pub idempotent: Idempotent,
    /// How much the call matters. Carried along; nothing hangs on it yet.
    pub priority: u8,
    /// The [edition](super::Standing::edition) of the standing terms on which its first attempt was made
    /// before it begins; 0 if it was not, or for the terms of now.
    pub edition: u64,
    /// The call outlives its `Done`: it is there to be read until [`Manual::end`](super::Manual::end).
    pub keep: bool,
}

impl Begin {
    /// A call that begins now and asks for nothing else.
    #[must_use]
    pub const fn new(now: Nanos) -> Self {
        Self {
            now,
            deadline: Nanos::NEVER,
            cookie: 0,
            idempotent: Idempotent::Unset,
            priority: 0,
            edition: 0,
            keep: false,
        }
    }

    /// With the time until which the caller will wait.
    #[must_use]
    pub const fn deadline(mut self, deadline: Nanos) -> Self {
        self.deadline = deadline;
        self
    }

    /// With a number that comes back with every action of the call.
    #[must_use]
    pub const fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }

    /// With the caller's word on whether repeating this request is safe.
    #[must_use]
    pub const fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = if idempotent { Idempotent::Yes } else { Idempotent::No };
        self
    }

    /// With a priority.
    #[must_use]
    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// On the standing terms of this edition, also where others are in force meanwhile.
    #[must_use]
    pub const fn edition(mut self, edition: u64) -> Self {
        self.edition = edition;
        self
    }

    /// With the wish to read the call's timeline after it is done.
    #[must_use]
    pub const fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Whether repeating this request is safe: what the caller says, else what the policy does.
    #[inline]
    pub(super) fn idempotent_by(&self, policy: &Policy) -> Idempotent {
        self.idempotent.or(policy.idempotent)
    }
}

impl Default for Begin {
    /// [`Begin::new`] at time zero.
    fn default() -> Self {
        Self::new(Nanos::ZERO)
    }
}

impl Default for Step {
    /// [`Step::new`].
    fn default() -> Self {
        Self::new()
    }
}

/// What follows from an event: up to [`MAX_ACTIONS`] things to do, and when to come again.
///
/// It lies in memory as C knows it (`rego_step`), so a host in another language is told in a place of
/// its own, and nothing is copied on the way.
#[must_use = "nobody else is told these actions"]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Step {
    /// Not looked at, and kept as it is.
    size: u32,
    len: u32,
    flags: u32,
    reserved: u32,
    /// When to [`poll`](super::Manual::poll), if nothing happens before; never past the call's
    /// deadline. [`Nanos::NEVER`] when there is nothing to wait for.
    ///
    /// Where several threads drive one call, their steps may reach a host out of order. Polling too
    /// often does no harm, so it polls at each of these times, or at the earliest.
    pub wake_at: Nanos,
    /// The first `len` of them are there.
    actions: [MaybeUninit<Raw>; MAX_ACTIONS],
}

const MORE: u32 = 1;
const ELSEWHERE: u32 = 2;

impl Step {
    /// Nothing to do and nothing to wait for.
    pub(super) const NOTHING: Self = Self::new();

    /// Nothing to do and nothing to wait for: for a host that keeps a step to be
    /// [told](super::Manual::begin_into) what follows, again and again.
    #[inline]
    pub const fn new() -> Self {
        let actions = [const { MaybeUninit::uninit() }; MAX_ACTIONS];
        Self { size: 0, len: 0, flags: 0, reserved: 0, wake_at: Nanos::NEVER, actions }
    }

    /// For hosts in other languages: how large a step is, how large an action, and where they begin.
    #[doc(hidden)]
    pub const LAYOUT: [usize; 6] = [
        size_of::<Self>(),
        std::mem::offset_of!(Self, wake_at),
        std::mem::offset_of!(Self, actions),
        size_of::<Raw>(),
        std::mem::offset_of!(Raw, attempt),
        std::mem::offset_of!(Raw, number),
    ];

    /// And its numbers: of the kinds of actions, and of its flags.
    #[doc(hidden)]
    pub const NUMBERS: [u32; 5] = [START, CANCEL, DONE, MORE, ELSEWHERE];

    /// This to do, and nothing else.
    #[doc(hidden)]
    #[inline]
    pub fn of(action: Action) -> Self {
        let mut step = Self::new();
        step.push(action);
        step
    }

    /// What to do, in this order.
    #[inline]
    pub fn actions(&self) -> impl Iterator<Item = Action> + '_ {
        (0..MAX_ACTIONS).map_while(|nth| self.nth(nth))
    }

    /// There is more to do than fits: poll again.
    #[must_use]
    #[inline]
    pub const fn more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// Somebody else gets the actions: another thread that drives this call at this moment and has
    /// seen the event, or the event loop that the call belongs to.
    #[must_use]
    #[inline]
    pub const fn elsewhere(&self) -> bool {
        self.flags & ELSEWHERE != 0
    }

    /// How the call ended, if this is its end.
    #[must_use]
    #[inline]
    pub fn verdict(&self) -> Option<Verdict> {
        // It comes last.
        let last = self.raw((self.len as usize).wrapping_sub(1))?;
        last.is_done().then(|| last.verdict())
    }

    /// Tells the same in another place.
    #[doc(hidden)]
    #[inline]
    pub fn tell(&self, to: &mut Self) {
        (to.len, to.flags, to.reserved, to.wake_at) = (self.len, self.flags, 0, self.wake_at);
        let there = self.len as usize;
        to.actions[..there].copy_from_slice(&self.actions[..there]);
    }

    #[inline]
    pub(super) fn nth(&self, nth: usize) -> Option<Action> {
        self.raw(nth).map(Raw::action)
    }

    #[inline]
    fn raw(&self, nth: usize) -> Option<&Raw> {
        let raw = self.actions.get(nth).filter(|_| nth < self.len as usize)?;
        // SAFETY: because the first `len` have been written.
        Some(unsafe { raw.assume_init_ref() })
    }

    /// Nothing to do and nothing to wait for, in place.
    #[inline]
    pub(super) const fn clear(&mut self) {
        (self.len, self.flags, self.reserved, self.wake_at) = (0, 0, 0, Nanos::NEVER);
    }

    /// Somebody else gets the actions.
    #[inline]
    pub(super) const fn be_elsewhere(&mut self) {
        self.clear();
        self.flags = ELSEWHERE;
    }

    #[inline]
    pub(super) const fn say_more(&mut self, more: bool) {
        self.flags = self.flags & !MORE | if more { MORE } else { 0 };
    }

    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.len as usize == MAX_ACTIONS
    }

    #[inline(always)]
    pub(super) fn push(&mut self, action: Action) {
        debug_assert!(!self.is_full(), "asked before");
        self.actions[self.len as usize].write(Raw::of(action));
        self.len += 1;
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        let heads = |step: &Self| (step.len, step.flags, step.wake_at);
        heads(self) == heads(other) && self.actions().eq(other.actions())
    }
}

impl Eq for Step {}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<Action> = self.actions().collect();
        f.debug_struct("Step")
            .field("actions", &actions)
            .field("wake_at", &self.wake_at)
            .field("more", &self.more())
            .field("elsewhere", &self.elsewhere())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        drive::manual::{AttemptRef, CallId},
        notes::AttemptKind,
        outcome::CancelReason,
    };

    /// What an action is in memory, and what that is again.
    #[test]
    fn actions_come_back_as_they_were() {
        let (call, cookie) = (CallId::from_bits(7), 8);
        let attempt = AttemptRef::from_bits(9);
        for kind in [AttemptKind::First, AttemptKind::Retry, AttemptKind::Hedge] {
            let (number, retry_index, hedge_index) = (3, 2, 1);
            let deadline = Nanos::from_millis(4);
            there_and_back(Action::Start {
                call,
                cookie,
                attempt,
                kind,
                number,
                retry_index,
                hedge_index,
                deadline,
            });
        }
        for reason in CancelReason::ALL {
            there_and_back(Action::Cancel { call, cookie, attempt, reason });
        }
        for verdict in Verdict::ALL {
            let (result, attempts) = (5, 6);
            for answer in [None, Some(attempt)] {
                let retry_after = answer.map(|_| Nanos::from_nanos(1));
                there_and_back(Action::Done {
                    call,
                    cookie,
                    verdict,
                    answer,
                    result,
                    attempts,
                    retry_after,
                });
            }
        }
    }

    fn there_and_back(action: Action) {
        let mut step = Step::new();
        for n in 1..=MAX_ACTIONS {
            step.push(action);
            assert_eq!(step.actions().collect::<Vec<_>>(), vec![action; n]);
        }
        assert!(step.is_full() && step.nth(MAX_ACTIONS).is_none());
        let done = matches!(action, Action::Done { .. });
        assert_eq!(step.verdict().is_some(), done);
        let mut elsewhere = Step { size: 312, ..Step::NOTHING };
        step.say_more(true);
        step.tell(&mut elsewhere);
        assert!(elsewhere == step && elsewhere.size == 312 && elsewhere.more());
        elsewhere.be_elsewhere();
        assert!(elsewhere.elsewhere() && elsewhere.actions().next().is_none());
        elsewhere.clear();
        assert_eq!((elsewhere, elsewhere.size), (Step::NOTHING, 312));
    }
}
