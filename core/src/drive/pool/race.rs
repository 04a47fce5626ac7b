//! A call in the air: its machine, driven by whoever holds the flight.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    alarm::Alarm,
    executor::{Runs, Task},
    here::Here,
    seat::{Order, Seat, Seats},
    stand_aside::InHand,
};
use crate::{
    call::{Call, Launch, Rules, Step, With},
    clock::Nanos,
    drive::{
        Attempt, Host,
        cancel::Raised,
        ending::{Kept, contain, release},
    },
    flight::{Flight, Generation, Hold, News, Ticket},
    notes::{AttemptId, AttemptSet, Notes},
    site::{Counter, Site, Terms},
    sync::{Arc as Shared, AtomicU64, Cell, Ordering, Shard, Unparker},
    verdict::Verdict,
};

/// The loom models' negative control: the caller looks before there is anything to see.
const UNPARK_FIRST: bool = cfg!(rego_break = "pool_unpark_first");

/// Everything one call in the air needs, in one allocation.
///
/// The machine belongs to the holder of the flight; once the flight is over it belongs to the
/// caller, who is the only one to look at it then.
pub(super) struct Race<T, E, F> {
    pub(super) flight: Flight,
    pub(super) generation: Generation,
    pub(super) host: Arc<Host>,
    pub(super) site: Shared<Site>,
    pub(super) terms: Shared<Terms>,
    pub(super) rules: Rules,
    pub(super) started: Nanos,
    /// The number by which the listener knows the call.
    pub(super) number: u64,
    pub(super) caller: Unparker,
    /// When the caller is to look in again (ns).
    pub(super) wake_at: AtomicU64,
    pub(super) here: Here,
    pub(super) alarm: Alarm,
    pub(super) machine: Cell<Machine<T, E>>,
    pub(super) seats: Seats<T, E>,
    pub(super) op: F,
}

pub(super) struct Machine<T, E> {
    pub(super) call: Call,
    pub(super) notes: Notes,
    pub(super) kept: Kept<T, E>,
    /// Results that nobody will get. Dropping one is the host's code, which may be slow or panic:
    /// it waits until the flight is let go.
    pub(super) spent: Vec<Kept<T, E>>,
    /// Launched, and not known to have started.
    pub(super) queued: AttemptSet,
    /// Asked to stop, and not ended.
    pub(super) given_up: AttemptSet,
    pub(super) told: usize,
    pub(super) first_started: Option<Nanos>,
    /// What the machine is being told of, while it is.
    pub(super) in_hand: Option<InHand<T, E>>,
    /// The engine stands aside …
    pub(super) aside: bool,
    /// … and this attempt's result has been kept since.
    pub(super) answered_aside: Option<AttemptId>,
}

/// Who drives a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Its caller, which looks at what has come of it next.
    Caller,
    /// Some other thread: the caller is to be told.
    Another,
}

/// What is wanted of a new call besides its site.
pub(super) struct Start {
    pub(super) terms: Shared<Terms>,
    pub(super) rules: Rules,
    pub(super) now: Nanos,
    /// The number by which the listener knows the call.
    pub(super) number: u64,
    pub(super) deadline: Nanos,
    pub(super) caller: Unparker,
}

// SAFETY: because every cell has one owner at a time: the machine the holder of the flight (or,
// when it is over, the caller), a seat the holder of its ticket; `flight` and `Seat` say how they
// pass from one thread to the next. `T` and `E` only move between threads.
unsafe impl<T: Send, E: Send, F: Sync> Sync for Race<T, E, F> {}

impl<T, E, F> Race<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    /// Starts the call and launches its first attempt.
    pub(super) fn start(host: &Arc<Host>, site: &Shared<Site>, start: Start, op: F) -> Arc<Self> {
        let terms = start.terms;
        let mut notes = Notes::new();
        let mut with = With {
            site,
            terms: &terms,
            rules: start.rules,
            started: start.now,
            shard: Shard::current(),
            notes: &mut notes,
            facts: None,
            abandoned: AttemptSet::EMPTY,
        };
        let (call, step) = Call::start(&mut with, start.now, start.deadline, host.seeds.next());
        let machine = Machine {
            call,
            notes,
            kept: Kept::Nothing,
            spent: Vec::new(),
            queued: AttemptSet::EMPTY,
            given_up: AttemptSet::EMPTY,
            told: 0,
            first_started: None,
            in_hand: None,
            aside: false,
            answered_aside: None,
        };
        let flight = Flight::new();
        let generation = Generation::FIRST;
        let race = Arc::new(Self {
            flight,
            generation,
            host: Arc::clone(host),
            site: Shared::clone(site),
            terms,
            rules: start.rules,
            started: start.now,
            number: start.number,
            caller: start.caller,
            wake_at: AtomicU64::new(Nanos::NEVER.as_nanos()),
            here: Here::default(),
            alarm: Alarm::of::<Self>(),
            machine: Cell::new(machine),
            seats: Seats::new(),
            op,
        });
        let hold = race.flight.begin();
        race.drive(By::Caller, hold, Some(step));
        race
    }

    /// Does what the machine says until it has nothing more to say.
    pub(super) fn drive(self: &Arc<Self>, by: By, mut hold: Hold<'_>, mut step: Option<Step>) {
        let mut raised = Raised::default();
        let mut spent = Vec::new();
        let over = loop {
            let over = self.machine.with_mut(|machine| {
                // SAFETY: because the flight is held, the machine is this thread's alone.
                let machine = unsafe { &mut *machine };
                let over = self.round(machine, &mut hold, step.take(), &mut raised);
                if !machine.spent.is_empty() {
                    spent.append(&mut machine.spent);
                }
                over
            });
            if over {
                if UNPARK_FIRST {
                    self.caller.unpark();
                }
                self.end(hold, &mut spent);
                break true;
            }
            match hold.let_go() {
                Ok(()) => break false,
                Err(still) => hold = still,
            }
        };
        if by == By::Another && !UNPARK_FIRST {
            self.caller.unpark();
        }
        // The caller looks at the time itself, unless code of the host's keeps it.
        let kept_up = !(raised.is_empty() && spent.is_empty());
        if !over && (by == By::Another || kept_up) {
            self.set_alarm();
        }
        if kept_up {
            self.run_hosts_code(raised, spent);
        }
    }

    /// Hooks, and the dropping of results: once nobody waits for this thread.
    #[cold]
    fn run_hosts_code(&self, raised: Raised, spent: Vec<Kept<T, E>>) {
        let panics = raised.run();
        if panics > 0 {
            self.site.counters.add(Counter::HookPanics, panics);
        }
        spent.into_iter().for_each(|result| self.discard(result));
    }

    /// One round, whatever happens in it: a panic of the engine's own must not leave the flight
    /// held. True at the call's end.
    fn round(
        self: &Arc<Self>,
        machine: &mut Machine<T, E>,
        hold: &mut Hold<'_>,
        mut step: Option<Step>,
        raised: &mut Raised,
    ) -> bool {
        if !machine.aside {
            let advance = || self.advance(machine, hold, &mut step, raised);
            match catch_unwind(AssertUnwindSafe(advance)) {
                Ok(over) => return over,
                Err(payload) => self.stand_aside(machine, step, payload),
            }
        }
        self.pass_through(machine, hold, raised)
    }

    /// One round: carries out steps and hears news until there is none. True at the call's end.
    fn advance(
        self: &Arc<Self>,
        machine: &mut Machine<T, E>,
        hold: &mut Hold<'_>,
        step: &mut Option<Step>,
        raised: &mut Raised,
    ) -> bool {
        loop {
            *step = match step.take() {
                Some(Step::Launch(launch)) => Some(self.launch(machine, hold, launch, raised)),
                Some(Step::Wait(until)) => {
                    let look_in = self.with(machine, raised, |call, with| call.look_in(with));
                    // Release: pairs with the Acquire of `wake_at`.
                    self.wake_at.store(until.min(look_in).as_nanos(), Ordering::Release);
                    None
                }
                Some(Step::Done(_)) => return true,
                Some(Step::Over) => unreachable!("nobody drives a call that is over"),
                None => match hold.take() {
                    Some(news) => Some(self.hear(machine, news, raised)),
                    None => return false,
                },
            };
            self.tell(machine);
        }
    }

    fn launch(
        self: &Arc<Self>,
        machine: &mut Machine<T, E>,
        hold: &mut Hold<'_>,
        launch: Launch,
        raised: &mut Raised,
    ) -> Step {
        let Ok(ticket) = hold.launch() else {
            // All seats are taken by attempts that were given up and still run.
            release(&self.terms, launch.reserved);
            let now = self.host.clock.now();
            return self
                .with(machine, raised, |call, with| call.on_rejected(with, launch.attempt, now));
        };
        let retries_left = self.with(machine, raised, |call, with| call.retries_left(with));
        self.seats.prepare(ticket, Order { launch, retries_left });
        machine.call.on_queued(launch.attempt);
        machine.queued.insert(launch.attempt);
        let here = self.host.alarms.is_some() && launch.hedge_index == 0;
        let now = if here && self.here.offer(ticket) {
            // Nothing was done that takes time.
            machine.call.now()
        } else {
            hold.show();
            self.hand_off(ticket);
            self.host.clock.now()
        };
        self.learn_starts(machine);
        self.with(machine, raised, |call, with| call.on_time(with, now))
    }

    /// A refusal is reported by the task itself when it is dropped, also by a panic.
    fn hand_off(self: &Arc<Self>, ticket: Ticket) {
        let task = Task::new(Arc::clone(self) as Arc<dyn Runs>, ticket);
        contain(&self.site, || {
            let _ = self.host.execute(task);
        });
    }

    /// Runs an event on the machine, and notes whom it asks to stop.
    pub(super) fn with<R>(
        &self,
        machine: &mut Machine<T, E>,
        raised: &mut Raised,
        event: impl FnOnce(&mut Call, &mut With<'_>) -> R,
    ) -> R {
        let mut with = With {
            site: &self.site,
            terms: &self.terms,
            rules: self.rules,
            started: self.started,
            shard: Shard::current(),
            notes: &mut machine.notes,
            facts: None,
            abandoned: AttemptSet::EMPTY,
        };
        let answer = event(&mut machine.call, &mut with);
        let abandoned = with.abandoned;
        if abandoned != AttemptSet::EMPTY {
            self.give_up(machine, abandoned, raised);
        }
        answer
    }

    #[cold]
    fn give_up(&self, machine: &mut Machine<T, E>, abandoned: AttemptSet, raised: &mut Raised) {
        for attempt in abandoned {
            machine.given_up.insert(attempt);
            machine.queued.remove(attempt);
            self.site.abandon();
            if let Some(seat) = self.seat_of(attempt) {
                raised.and(seat.signal.raise());
            }
        }
    }

    /// Ends the flight. Results that came in meanwhile are late.
    fn end(&self, mut hold: Hold<'_>, spent: &mut Vec<Kept<T, E>>) {
        loop {
            match hold.end() {
                Ok(_exit) => return,
                Err(still) => hold = still,
            }
            while let Some(news) = hold.take() {
                if let News::Ready(ticket) = news {
                    spent.push(self.settle_late(ticket));
                }
            }
        }
    }

    fn tell(&self, machine: &mut Machine<T, E>) {
        if let Some(listener) = &self.host.listener {
            for note in &machine.notes.as_slice()[machine.told..] {
                listener.noted(self.number, self.site.name(), note);
            }
            machine.told = machine.notes.as_slice().len();
        }
    }

    pub(super) fn seat(&self, ticket: Ticket) -> &Seat<T, E> {
        self.seats.of(ticket)
    }

    /// Only for the holder.
    fn seat_of(&self, attempt: AttemptId) -> Option<&Seat<T, E>> {
        self.seats
            .iter()
            .find(|seat| seat.order().is_some_and(|order| order.launch.attempt == attempt))
    }
}

impl<T, E> Machine<T, E> {
    pub(super) fn verdict(&self) -> Verdict {
        self.call.verdict().expect("a flight that is over has a verdict")
    }
}
