//! What a host hands in and what it is to do next.

use super::id::{AttemptRef, CallId};
use crate::{
    clock::Nanos,
    notes::AttemptKind,
    outcome::CancelReason,
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

    /// With the wish to read the call's timeline after it is done.
    #[must_use]
    pub const fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Whether repeating this request is safe: what the caller says, else what the policy does.
    #[inline]
    pub(super) fn idempotent_by(&self, policy: &Policy) -> Idempotent {
        match self.idempotent {
            Idempotent::Unset => policy.idempotent,
            said => said,
        }
    }
}

impl Default for Begin {
    /// [`Begin::new`] at time zero.
    fn default() -> Self {
        Self::new(Nanos::ZERO)
    }
}

/// One thing the host is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start an attempt, and [`finish`](super::Manual::finish) it once, however it ends. Its time
    /// runs from the event that brought this.
    #[non_exhaustive]
    Start {
        /// Whose attempt it is.
        call: CallId,
        /// The call's [cookie](Begin::cookie).
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
        /// How long the server wants to be left alone, if it said so last.
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

    /// The call's [cookie](Begin::cookie).
    #[must_use]
    pub const fn cookie(&self) -> u64 {
        match self {
            Self::Start { cookie, .. }
            | Self::Cancel { cookie, .. }
            | Self::Done { cookie, .. } => *cookie,
        }
    }
}

impl Default for Step {
    /// [`Step::new`].
    fn default() -> Self {
        Self::new()
    }
}

/// What follows from an event: up to [`MAX_ACTIONS`] things to do, and when to come again.
#[must_use = "nobody else is told these actions"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    actions: [Option<Action>; MAX_ACTIONS],
    len: u8,
    /// When to [`poll`](super::Manual::poll), if nothing happens before; never past the call's
    /// deadline. [`Nanos::NEVER`] when there is nothing to wait for.
    ///
    /// Where several threads drive one call, their steps may reach a host out of order. Polling too
    /// often does no harm, so it polls at each of these times, or at the earliest.
    pub wake_at: Nanos,
    /// There is more to do than fits: poll again.
    pub more: bool,
    /// Somebody else gets the actions: another thread that drives this call at this moment and has
    /// seen the event, or the event loop that the call belongs to.
    pub elsewhere: bool,
}

impl Step {
    /// Nothing to do and nothing to wait for.
    pub(super) const NOTHING: Self = Self::new();

    /// Nothing to do and nothing to wait for: for a host that keeps a step to be
    /// [told](super::Manual::begin_into) what follows, again and again.
    #[inline]
    pub const fn new() -> Self {
        // One by one: what is repeated is copied in full from a constant.
        let actions = [None, None, None, None];
        Self { actions, len: 0, wake_at: Nanos::NEVER, more: false, elsewhere: false }
    }

    pub(super) const ELSEWHERE: Self = Self { elsewhere: true, ..Self::NOTHING };

    /// What to do, in this order.
    #[inline]
    pub fn actions(&self) -> impl Iterator<Item = Action> + '_ {
        self.actions.iter().map_while(|action| *action)
    }

    /// How the call ended, if this is its end.
    #[must_use]
    #[inline]
    pub fn verdict(&self) -> Option<Verdict> {
        // It comes last.
        match self.actions.get(usize::from(self.len).wrapping_sub(1)) {
            Some(Some(Action::Done { verdict, .. })) => Some(*verdict),
            _ => None,
        }
    }

    pub(super) fn nth(&self, nth: usize) -> Option<Action> {
        self.actions.get(nth).copied().flatten()
    }

    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.len as usize == MAX_ACTIONS
    }

    #[inline]
    pub(super) fn push(&mut self, action: Action) {
        debug_assert!(!self.is_full(), "asked before");
        self.actions[usize::from(self.len)] = Some(action);
        self.len += 1;
    }
}
