//! Many calls on one event loop.

use std::{collections::VecDeque, fmt, sync::Arc};

use super::{
    CallId, Inner, Manual,
    action::Action,
    agenda::{Agenda, SharedAgenda},
    fly::Pilot,
    id::Meant,
    slot::Slot,
    step::{Begin, Step},
};
use crate::{
    clock::Nanos,
    flight::{Drive, FlightId},
    site::Site,
    sync::{Arc as Shared, Ordering},
};

/// Many calls on one event loop: made by [`Manual::event_loop`].
///
/// It keeps their timers and hands out what there is to do. Attempts are finished through
/// [`Manual::finish`], on any thread; what follows from that comes out of [`process`](Self::process).
/// One thread at a time has the loop, which `&mut` sees to; rego makes no thread and no descriptor.
///
/// Dropping the loop ends its calls as [`Verdict::Shutdown`](crate::Verdict::Shutdown) without
/// telling the host, who drops it; attempts that still run
/// [should stop](Manual::is_cancelled) and may still finish.
///
/// ```
/// use rego::{Completion, Engine, Nanos, manual::{Action, Begin}};
///
/// let engine = Engine::builder().build()?;
/// let (manual, site) = (engine.manual(), engine.site("svc.Get"));
/// // Whatever wakes the host: a write to an eventfd, say.
/// let mut events = manual.event_loop(|| {});
///
/// let mut now = Nanos::from_millis(1);
/// let (_, step) = events.begin(&site, Begin::new(now).cookie(42));
/// let mut to_do: Vec<Action> = step.actions().collect();
/// let (mut requests, mut done) = (0, false);
/// while !done {
///     for action in to_do.drain(..) {
///         match action {
///             Action::Start { attempt, .. } => {
///                 // A real host sends a request, and finishes when the response is there.
///                 requests += 1;
///                 let status = if requests < 3 { 503 } else { 200 };
///                 let left_to_the_loop = manual.finish(attempt, now, &Completion::http(status), 0)?;
///                 assert!(left_to_the_loop.elsewhere());
///             }
///             Action::Cancel { .. } => {}
///             Action::Done { verdict, cookie, .. } => {
///                 assert!(verdict.is_success());
///                 done = cookie == 42;
///             }
///         }
///     }
///     // A real host sleeps until then, or until it is notified.
///     now = now.max(events.next_deadline());
///     to_do.extend(std::iter::from_fn(|| events.process(now)));
/// }
/// assert_eq!(requests, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Loop {
    manual: Manual,
    agenda: SharedAgenda,
    /// What the call looked at last wants, and how much of it has been handed out.
    step: Step,
    handed_out: usize,
    line: Line,
    /// What there was to do at once for calls that were begun [for later](Self::begin_later).
    held_back: VecDeque<Action>,
    /// The agenda knows that this is at work.
    awake: bool,
    /// How many of its calls the host has not been told the end of.
    in_air: usize,
    /// When the timers want to be looked at.
    next: Nanos,
    /// The latest time it was processed at.
    now: Nanos,
    /// How often the calls of its engine had been forgotten when it looked last.
    forgotten: u32,
}

/// When a [`Loop`] wants to be processed next: [`Loop::watch`]. Thread-safe, and cheap to clone.
///
/// ```
/// use rego::{Engine, Nanos, manual::Begin};
///
/// let engine = Engine::builder().build()?;
/// let (manual, site) = (engine.manual(), engine.site("svc.Get"));
/// let mut events = manual.event_loop(|| {});
/// let watch = events.watch();
/// events.begin(&site, Begin::new(Nanos::from_millis(1)));
/// assert_eq!(watch.next_deadline(), events.next_deadline());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LoopWatch(SharedAgenda);

/// Calls to look at: the slots of the first and the last + 1, linked; or 0.
#[derive(Default)]
struct Line {
    first: u32,
    last: u32,
}

impl Manual {
    /// An event loop for many calls. `notify` is called when the loop has something to do earlier
    /// than [`next_deadline`](Loop::next_deadline) has said, once until it has been
    /// [processed](Loop::process): by any thread that finishes or polls, so it does no more than
    /// wake the loop's thread.
    pub fn event_loop(&self, notify: impl Fn() + Send + Sync + 'static) -> Loop {
        Loop {
            manual: self.clone(),
            agenda: SharedAgenda::new(Agenda::new(self.0.slab.max(), Box::new(notify))),
            step: Step::NOTHING,
            handed_out: 0,
            line: Line::default(),
            held_back: VecDeque::new(),
            awake: false,
            in_air: 0,
            next: Nanos::NEVER,
            now: Nanos::ZERO,
            forgotten: self.0.forgotten(),
        }
    }
}

impl Loop {
    pub(crate) fn begin_on(&mut self, site: &Shared<Site>, begin: Begin) -> (CallId, Step) {
        self.drop_what_is_forgotten();
        let mut step = Step::NOTHING;
        let call = self.manual.begin_for(site, &begin, Some(&self.agenda), None, &mut step);
        if !call.is_pass_through() && step.verdict().is_none() {
            self.in_air += 1;
        }
        if step.more() {
            // There was no room for its timer: it is looked at again.
            step.say_more(false);
            if let Ok(Meant::InFlight(id)) = self.manual.0.seal.meant_call(call) {
                self.line.append(&self.manual.0, id.slot(), id.slot());
                self.be_awake();
            }
        }
        (call, step)
    }

    pub(crate) fn begin_later_on(&mut self, site: &Shared<Site>, begin: Begin) -> CallId {
        let (call, step) = self.begin_on(site, begin);
        self.held_back.extend(step.actions());
        if !self.held_back.is_empty() {
            self.be_awake();
        }
        call
    }

    /// The next of what was held back. A start whose attempt was given up meanwhile is none; of a call
    /// that passes through, its end is what there is to tell instead.
    fn next_held_back(&mut self) -> Option<Action> {
        loop {
            let action = self.held_back.pop_front()?;
            match action {
                Action::Start { call, attempt, .. } if self.manual.is_cancelled(attempt) => {
                    if !call.is_pass_through() {
                        // If it is the call that was cancelled, that is what ends it, and comes in turn.
                        let _over = self.manual.poll(call, self.now);
                    }
                    let rejected = self.manual.reject(attempt, self.now);
                    self.held_back.extend(rejected.iter().flat_map(Step::actions));
                }
                action => return Some(action),
            }
        }
    }

    /// The next thing to do, as of `now`; `None` when there is nothing until
    /// [`next_deadline`](Self::next_deadline). Ask until it says so, or come back at once: nobody is
    /// notified before it has. Time does not go backwards in here: an earlier `now` than before counts
    /// as the latest; so one of another clock, if it is later, cannot be taken back.
    pub fn process(&mut self, now: Nanos) -> Option<Action> {
        // Timers that have fired do so by the latest time, and calls are judged by the same: else
        // one whose timer is spent would find that its time has not come.
        self.now = self.now.max(now);
        self.drop_what_is_forgotten();
        if let Some(action) = self.next_held_back() {
            return Some(action);
        }
        loop {
            if let Some(action) = self.step.nth(self.handed_out) {
                self.handed_out += 1;
                return Some(action);
            }
            self.be_awake();
            if self.line.first == 0 {
                self.line.take_in(&self.manual.0, self.agenda.take());
                self.turn_to();
            }
            if let Some(index) = self.line.pop(&self.manual.0) {
                self.look_at(index);
            } else if self.agenda.rest(self.next) {
                self.awake = false;
                return None;
            }
        }
    }

    /// When to [`process`](Self::process) again, unless notified before: no later than anything
    /// that time brings; [`Nanos::ZERO`], which is at once, when there is something to do;
    /// [`Nanos::NEVER`] when there is nothing to wait for, as when all calls are done. While there are
    /// some it may be a time of one that is done, at which there is nothing to do.
    #[must_use]
    pub fn next_deadline(&self) -> Nanos {
        self.agenda.known()
    }

    /// Tells other threads the [next deadline](Self::next_deadline), also after the loop has gone.
    #[must_use]
    pub fn watch(&self) -> LoopWatch {
        LoopWatch(Arc::clone(&self.agenda))
    }

    /// In the child of a fork: what was still to be told is of the parent's calls. Their slots may
    /// have others by now, so the lists of them are not gone through.
    fn drop_what_is_forgotten(&mut self) {
        let forgotten = self.manual.0.forgotten();
        if self.forgotten != forgotten {
            self.forgotten = forgotten;
            self.held_back.clear();
            (self.step, self.handed_out, self.in_air) = (Step::NOTHING, 0, 0);
            self.line = Line::default();
            let _not_gone_through = self.agenda.take();
        }
    }

    fn be_awake(&mut self) {
        if !self.awake {
            self.awake = true;
            self.agenda.be_awake();
        }
    }

    /// Looks at a call: its news, its time.
    fn look_at(&mut self, index: u32) {
        let inner = &*self.manual.0;
        let slot = slot(inner, index);
        slot.unlist();
        let id = FlightId::new(index, slot.flight.generation());
        self.step = Step::NOTHING;
        self.handed_out = 0;
        // Whoever holds it at this moment hears the knock, and lists it again.
        if let Drive::You(hold) = slot.flight.knock_time(id.generation()) {
            let mut pilot = Pilot::new(inner, slot, id, self.now).of_loop();
            let left = pilot.fly(hold, &mut self.step);
            self.manual.leave(id, slot, left);
            if self.step.verdict().is_some() {
                self.in_air -= 1;
            }
            if self.step.more() {
                self.line.append(inner, index, index);
            }
        }
    }

    /// Puts the calls whose time has come into the line.
    fn turn_to(&mut self) {
        let (inner, line) = (&*self.manual.0, &mut self.line);
        let mut fire = |user| {
            // A timer that fires is one of a call in the air: this thread alone ends calls, and
            // disarms them before.
            if let Some(id) = FlightId::from_bits(user)
                && slot(inner, id.slot()).list()
            {
                line.append(inner, id.slot(), id.slot());
            }
        };
        let timers = &self.agenda.timers;
        self.next = match self.in_air {
            // All are dead, and none is to be come for.
            0 => timers.advance_and_sweep(self.now, &mut fire),
            _ => timers.advance(self.now, &mut fire),
        };
    }

    /// Ends a call of a loop that is going.
    fn shut(&self, id: FlightId, slot: &Slot) {
        if let Drive::You(hold) = slot.flight.knock_time(id.generation()) {
            let mut nobody_is_told = Step::NOTHING;
            let mut pilot = Pilot::new(&self.manual.0, slot, id, Nanos::ZERO);
            let left = pilot.fly(hold, &mut nobody_is_told);
            self.manual.leave(id, slot, left);
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.drop_what_is_forgotten();
        self.line.take_in(&self.manual.0, self.agenda.close());
        while let Some(index) = self.line.pop(&self.manual.0) {
            let slot = slot(&self.manual.0, index);
            let id = FlightId::new(index, slot.flight.generation());
            slot.unlist();
            self.shut(id, slot);
        }
        // Attempts the host has not heard of and will not.
        let held_back = std::mem::take(&mut self.held_back);
        for action in self.step.actions().skip(self.handed_out).chain(held_back) {
            if let Action::Start { call, attempt, .. } = action {
                // First: the attempt's end is not to be the call's.
                if let Ok(Meant::InFlight(id)) = self.manual.0.seal.meant_call(call)
                    && let Ok(slot) = self.manual.slot(id)
                {
                    self.shut(id, slot);
                }
                let _over = self.manual.reject(attempt, Nanos::ZERO);
            }
        }
        // Every call that waits has a timer; in those that have none an attempt runs, and its end
        // is theirs.
        self.agenda.timers.advance(Nanos::NEVER, &mut |user| {
            if let Some(id) = FlightId::from_bits(user)
                && let Ok(slot) = self.manual.slot(id)
            {
                self.shut(id, slot);
            }
        });
    }
}

impl Line {
    /// Takes over a list of calls that have news, in the order in which they were listed.
    fn take_in(&mut self, inner: &Inner, newest: u32) {
        let (mut rest, mut turned) = (newest, 0);
        while let Some(index) = rest.checked_sub(1) {
            let next = slot(inner, index).next();
            // Relaxed, both: the taking of the list acquired the links, and it is this thread's.
            let after = next.load(Ordering::Relaxed);
            next.store(turned, Ordering::Relaxed);
            (turned, rest) = (rest, after);
        }
        if let (Some(first), Some(last)) = (turned.checked_sub(1), newest.checked_sub(1)) {
            self.append(inner, first, last);
        }
    }

    /// Adds a chain to the end.
    fn append(&mut self, inner: &Inner, first: u32, last: u32) {
        // Relaxed, both: for this thread.
        slot(inner, last).next().store(0, Ordering::Relaxed);
        match self.last.checked_sub(1) {
            None => self.first = first + 1,
            Some(before) => slot(inner, before).next().store(first + 1, Ordering::Relaxed),
        }
        self.last = last + 1;
    }

    fn pop(&mut self, inner: &Inner) -> Option<u32> {
        let index = self.first.checked_sub(1)?;
        // Relaxed: for this thread.
        self.first = slot(inner, index).next().load(Ordering::Relaxed);
        if self.first == 0 {
            self.last = 0;
        }
        Some(index)
    }
}

impl LoopWatch {
    /// As [`Loop::next_deadline`]; [`Nanos::NEVER`] if the loop has gone. One load.
    #[must_use]
    pub fn next_deadline(&self) -> Nanos {
        self.0.known()
    }
}

impl fmt::Debug for LoopWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopWatch").field("next_deadline", &self.next_deadline()).finish()
    }
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop").field("next_deadline", &self.next_deadline()).finish_non_exhaustive()
    }
}

fn slot(inner: &Inner, index: u32) -> &Slot {
    inner.slab.get(index).expect("a call is listed by its slot")
}
