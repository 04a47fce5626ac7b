//! What a host is to do next.

use std::{
    mem::{MaybeUninit, align_of, offset_of},
    ptr,
};

use rego::manual::{Action, Step};

use crate::{
    constants::{
        REGO_MAX_ACTIONS, rego_action_kind, rego_attempt, rego_call, rego_step_flag, rego_time,
    },
    crossing::Sized32,
};

/// One thing that the host is to do.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_action {
    /// What to do: a `REGO_ACTION_*`.
    pub kind: u32,
    /// START: a `REGO_ATTEMPT_*`. CANCEL: a `REGO_CANCEL_*`. DONE: a `REGO_VERDICT_*`.
    pub reason: u32,
    /// Whose it is.
    pub call: rego_call,
    /// What the call was begun with. The DONE of a call that found no room is always the answer to its
    /// own finish; where more than 65,536 of them are in the air, further ones have 0 in it.
    pub cookie: u64,
    /// START, CANCEL: which attempt. DONE: the one whose result is the call's, the winner or the
    /// last real failure; 0 if there is none.
    pub attempt: rego_attempt,
    /// START: when the attempt must be over; it is given up then, if the host says what time it is.
    pub deadline: rego_time,
    /// DONE: what was handed in with the answer's finish.
    pub result: u64,
    /// DONE: for how many nanoseconds the server wants to be left alone, if the failure that is told
    /// said so, or a ready outcome of the host's asked to wait; else 0. At most 34 years, and rounded
    /// up by less than a millionth.
    pub retry_after: u64,
    /// START: the attempt's number in its call, in launch order from 0. DONE: how many attempts
    /// were launched.
    pub number: u32,
    /// START: the attempt's retry group; 0 for the first.
    pub retry_index: u32,
    /// START: its place in its group; 0 for the primary, then the hedges.
    pub hedge_index: u32,
    /// 0.
    pub reserved: u32,
}

/// What follows from an event: what to do, and when to come again. Begin with `REGO_STEP_INIT`, and
/// use it again and again: nothing is looked at but `struct_size`, and what is beyond this version.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_step {
    /// `sizeof(rego_step)`.
    pub struct_size: u32,
    /// How many of `actions` there are. The others are left as they were.
    pub n_actions: u32,
    /// Any of `REGO_STEP_MORE`, `REGO_STEP_ELSEWHERE`.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// When to poll, if nothing happens before; never past the call's deadline. `REGO_TIME_NEVER`
    /// when there is nothing to wait for.
    ///
    /// Where several threads drive one call, their steps may reach a host out of order. Polling too
    /// often does no harm, so poll at each of these times, or at the earliest.
    pub wake_at: rego_time,
    /// What to do, in this order.
    pub actions: [MaybeUninit<rego_action>; REGO_MAX_ACTIONS],
}

// SAFETY: because it is numbers without padding, of which the first is its size.
unsafe impl Sized32 for rego_step {
    const FIRST: usize = 312;
}

impl rego_step {
    /// The engine's own step, where this is.
    #[inline]
    pub(crate) fn in_place(&mut self) -> &mut Step {
        // SAFETY: because both have the same fields in the same places, of which any bits are a
        // value: see below.
        unsafe { &mut *ptr::from_mut(self).cast::<Step>() }
    }
}

// What the engine writes is what C reads. That each field is where it should be is what the traces
// show besides: they are read by C.
const _: () = {
    let [step, wake_at, actions, action, attempt, number] = Step::LAYOUT;
    let [start, cancel, done, more, elsewhere] = Step::NUMBERS;
    assert!(start == rego_action_kind::REGO_ACTION_START as u32);
    assert!(cancel == rego_action_kind::REGO_ACTION_CANCEL as u32);
    assert!(done == rego_action_kind::REGO_ACTION_DONE as u32);
    assert!(more == rego_step_flag::REGO_STEP_MORE as u32);
    assert!(elsewhere == rego_step_flag::REGO_STEP_ELSEWHERE as u32);
    assert!(step == size_of::<rego_step>() && align_of::<Step>() == align_of::<rego_step>());
    assert!(wake_at == offset_of!(rego_step, wake_at) && actions == offset_of!(rego_step, actions));
    assert!(action == size_of::<rego_action>());
    assert!(attempt == offset_of!(rego_action, attempt));
    assert!(number == offset_of!(rego_action, number));
};

impl rego_action {
    /// One by itself, as it would lie in a step.
    #[inline]
    pub(crate) fn of(action: Action) -> Self {
        let mut step = MaybeUninit::<rego_step>::zeroed();
        // SAFETY: because any bits are a value, zeros too.
        let step = unsafe { step.assume_init_mut() };
        Step::of(action).tell(step.in_place());
        let [first, ..] = step.actions;
        // SAFETY: because it was zeros, and is an action now.
        unsafe { first.assume_init() }
    }
}
