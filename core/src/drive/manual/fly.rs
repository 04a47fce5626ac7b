//! Driving a flight: whoever holds it hands the machine what has arrived, and collects what the
//! host is to do.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    Inner,
    agenda::Agenda,
    id::Seal,
    seat::HOST_JUDGES,
    slot::{Done, Machine, Setting, Slot},
    step::Step,
};
use crate::{
    call::{self, Call, Launch, With},
    clock::Nanos,
    drive::{Ended, Host, release},
    flight::{Exit, FlightId, Hold, News, Ticket},
    notes::{AttemptSet, Notes},
    site::Counter,
    sync::{Arc as Shared, Shard},
};

/// A flight in the hand of the thread that drives it.
pub(super) struct Pilot<'a> {
    host: &'a Host,
    pub(super) seal: Seal,
    pub(super) slot: &'a Slot,
    pub(super) setting: &'a Setting,
    pub(super) id: FlightId,
    /// The latest time this thread has heard of.
    pub(super) now: Nanos,
    pub(super) asker: Asker,
    shard: Shard,
    /// Whom to tell that there is something to do, once the flight is let go.
    pub(super) bell: Option<Arc<Agenda>>,
}

/// Who drives, as far as calls of an event loop go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// Somebody with news: what follows is the loop's to hear.
    Anybody,
    /// The loop.
    Loop,
}

/// What has become of the flight when its driver is through.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// In the air, or with attempts that still run.
    There,
    /// Over, and nobody is in it any more.
    Empty,
}

impl From<Exit> for Left {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Freed => Self::Empty,
            Exit::Occupied => Self::There,
        }
    }
}

impl<'a> Pilot<'a> {
    /// Only for whoever has taken hold of this flight, or begins it.
    pub(super) fn new(inner: &'a Inner, slot: &'a Slot, id: FlightId, now: Nanos) -> Self {
        let (host, seal) = (&*inner.host, inner.seal);
        let (setting, shard, asker) = (slot.setting(), Shard::current(), Asker::Anybody);
        Self { host, seal, slot, setting, id, now, asker, shard, bell: None }
    }

    /// As the event loop that the call belongs to.
    pub(super) fn of_loop(mut self) -> Self {
        self.asker = Asker::Loop;
        self
    }

    /// Starts the call's machine and flies.
    pub(super) fn begin(mut self, hold: Hold<'_>, deadline: Nanos, step: &mut Step) -> Left {
        let listener = self.host.listener.as_deref();
        let told_as = listener.map_or(0, |it| it.started(self.setting.site.name(), self.now));
        self.setting.site.take_off(self.shard).stay();
        self.slot.with_machine(|machine| {
            let seed = self.host.seeds.next_of(&mut machine.seeds);
            machine.told_as = told_as;
            let with = self.with(&mut machine.notes);
            machine.call = Some(Call::prepare(&with, self.now, deadline, seed));
        });
        // The host is about to wait for its attempt, and nobody else would ever look: a trigger
        // that is never planned stays cold. Sites that do not hedge do not ask. Once the flight is let
        // go, whoever guesses its ids may end it, and the slot be somebody else's: nothing of the
        // setting is looked at from there on.
        let Setting { site, terms, .. } = self.setting;
        let due = terms.policy.hedge.enabled && site.is_refresh_due(self.now);
        let looked_after = due.then(|| (Shared::clone(site), Shared::clone(terms)));
        let now = self.now;
        let left = self.rounds(hold, true, step);
        if let Some((site, terms)) = looked_after {
            site.refresh(&terms, now);
        }
        left
    }

    /// Does what the machine says and hears what has arrived, until there is nothing left; what the
    /// host is to do goes into `step`, as far as it fits, or to the call's event loop.
    pub(super) fn fly(&mut self, hold: Hold<'_>, step: &mut Step) -> Left {
        self.rounds(hold, false, step)
    }

    #[inline]
    fn rounds(&mut self, mut hold: Hold<'_>, mut first: bool, step: &mut Step) -> Left {
        loop {
            let slot = self.slot;
            let first = std::mem::take(&mut first);
            if slot.with_machine(|machine| self.round(machine, &mut hold, first, step)) {
                return self.end(hold);
            }
            match hold.let_go() {
                Ok(()) => return Left::There,
                Err(still) => hold = still,
            }
        }
    }

    /// One round, whatever happens in it: a panic of the engine's own must not leave the flight
    /// held. Whether the flight is to end.
    fn round(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        first: bool,
        step: &mut Step,
    ) -> bool {
        let mut said = None;
        let advance = || {
            self.advance(machine, hold, first, &mut said);
            self.hand_over(machine, hold, step)
        };
        match catch_unwind(AssertUnwindSafe(advance)) {
            Ok(through) => through,
            Err(payload) => {
                self.stand_aside(machine, hold, said, payload);
                self.hand_over_after_panic(machine, hold, step)
            }
        }
    }

    /// Out of the way: [`hand_over`](Self::hand_over) itself is part of every round.
    #[cold]
    #[inline(never)]
    fn hand_over_after_panic(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        step: &mut Step,
    ) -> bool {
        self.hand_over(machine, hold, step)
    }

    /// One round, until there is no news and time brings nothing more. What the machine has `said` to
    /// a refusal, and was not done yet, is there for whoever comes after a panic.
    #[inline(always)]
    fn advance(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        first: bool,
        said: &mut Option<call::Step>,
    ) {
        if first {
            let step = self.event(machine, hold, |call, with| call.begin(with));
            self.follow(machine, hold, step, said);
        }
        let mut timed = false;
        loop {
            if let Some(news) = hold.take() {
                timed = false;
                self.hear(machine, hold, news, said);
                continue;
            }
            if timed || machine.is_over() {
                return;
            }
            if let Some(next) = self.nothing_until(machine) {
                machine.wake = next;
                return;
            }
            let step = self.pass_time(machine, hold);
            // A launch arms what only time can tell.
            timed = !self.follow(machine, hold, step, said);
        }
    }

    #[inline]
    fn nothing_until(&self, machine: &mut Machine) -> Option<Nanos> {
        let call = machine.call.as_mut().expect("a flight begins with its call");
        call.nothing_until(&self.setting.terms, self.now)
    }

    /// Does what one event led to. Whether an attempt was launched.
    #[inline(always)]
    pub(super) fn follow(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        mut step: call::Step,
        said: &mut Option<call::Step>,
    ) -> bool {
        let mut launched = false;
        loop {
            match step {
                call::Step::Launch(launch) => {
                    launched = true;
                    if !self.launch(machine, hold, launch) {
                        *said = Some(self.find_no_seat(machine, hold, launch));
                    }
                }
                call::Step::Wait(until) => machine.wake = until,
                call::Step::Done(_) => self.be_done(machine),
                call::Step::Over => {}
            }
            self.tell(machine);
            match said.take() {
                Some(next) => step = next,
                None => return launched,
            }
        }
    }

    /// Whether there is a seat for it.
    #[inline(always)]
    fn launch(&self, machine: &mut Machine, hold: &mut Hold<'_>, launch: Launch) -> bool {
        let Ok(ticket) = hold.launch() else { return false };
        self.slot.seat(ticket).prepare(self.id.generation(), ticket, launch, self.judges());
        machine.aloft.insert(ticket);
        machine.to_start.insert(ticket);
        true
    }

    /// All seats are taken by attempts that were given up and still run.
    #[cold]
    fn find_no_seat(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        launch: Launch,
    ) -> call::Step {
        release(&self.setting.terms, launch.reserved);
        let (now, attempt) = (self.now, launch.attempt);
        self.event(machine, hold, |call, with| call.on_rejected(with, attempt, now))
    }

    /// Who judges the facts of this call's attempts.
    #[inline]
    fn judges(&self) -> u64 {
        if self.setting.terms.classifier.is_built_in() { 0 } else { HOST_JUDGES }
    }

    /// Runs an event on the machine, and sees to those it gives up.
    #[inline]
    pub(super) fn event<R>(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        event: impl FnOnce(&mut Call, &mut With<'_>) -> R,
    ) -> R {
        let call = machine.call.as_mut().expect("a flight begins with its call");
        let mut with = self.with(&mut machine.notes);
        let answer = event(call, &mut with);
        let abandoned = with.abandoned;
        if !abandoned.is_empty() {
            self.give_up(machine, hold, abandoned);
        }
        answer
    }

    #[inline]
    fn with<'n>(&self, notes: &'n mut Notes) -> With<'n>
    where
        'a: 'n,
    {
        With {
            site: &self.setting.site,
            terms: &self.setting.terms,
            started: self.setting.started,
            rules: self.setting.rules,
            shard: self.shard,
            notes,
            facts: None,
            abandoned: AttemptSet::EMPTY,
        }
    }

    #[inline]
    pub(super) fn be_done(&self, machine: &mut Machine) {
        machine.done = Done::ToTell;
        machine.wake = Nanos::NEVER;
        // The latest time that its call has heard of, which no other's word turns back.
        machine.ended = machine.call().now();
        self.setting.site.land(self.shard);
        if let Some(listener) = &self.host.listener {
            ended(self.setting, machine).tell(&**listener, machine.told_as, machine.told);
            machine.told = machine.notes.as_slice().len();
        }
    }

    #[inline]
    fn tell(&self, machine: &mut Machine) {
        if let Some(listener) = &self.host.listener {
            for note in &machine.notes.as_slice()[machine.told..] {
                listener.noted(machine.told_as, self.setting.site.name(), note);
            }
            machine.told = machine.notes.as_slice().len();
        }
    }

    /// Ends the flight. Results that came in meanwhile are late.
    #[inline]
    fn end(&self, mut hold: Hold<'_>) -> Left {
        if self.setting.keep {
            self.slot.pins.keep(self.id.generation());
        }
        loop {
            match hold.end() {
                Ok(exit) => return exit.into(),
                Err(still) => hold = still,
            }
            while let Some(news) = hold.take() {
                if let News::Ready(ticket) = news {
                    self.settle_late(ticket);
                }
            }
        }
    }

    /// An attempt ended after its call: it gives back what it held, and is counted.
    pub(super) fn settle_late(&self, ticket: Ticket) {
        let seat = self.slot.seat(ticket);
        if let Some((launch, end)) = seat.take() {
            self.settle(launch.reserved);
            if end.outcome.is_some() {
                self.setting.site.counters.add(Counter::Late, 1);
            }
            seat.clear();
        }
        self.setting.site.abandoned_ended();
    }
}

/// A call that has ended, for those who want to know.
pub(super) fn ended<'a>(setting: &'a Setting, machine: &'a Machine) -> Ended<'a> {
    Ended {
        site: &setting.site,
        terms: &setting.terms,
        call: machine.call(),
        notes: &machine.notes,
        verdict: machine.call().verdict().expect("a call that is done has a verdict"),
        started: setting.started,
        first_started: machine.first_started,
        ended: machine.ended,
    }
}
