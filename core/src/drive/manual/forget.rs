//! A process that came out of a fork: its parent's calls are none of its own.

use super::{
    Manual,
    fly::{Left, Pilot},
    pins::Unpinned,
    seat::End,
    slot::Slot,
    step::Step,
};
use crate::{
    clock::Nanos,
    flight::{Drive, FlightId, Ticket},
    sync::Ordering,
};

impl Manual {
    /// How many attempts were started and not finished; of calls that pass through, as far as they
    /// are known. A figure for people, gone through slot by slot.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        let in_flight: usize = self.slots().map(|(_, slot)| slot.flight.unfinished()).sum();
        in_flight + self.0.plain.unfinished()
    }

    /// Ends all calls, and finishes all their attempts: their ids become stale, and a
    /// [`Loop`](super::Loop) has nothing to tell of them any more. For the child of a fork, in which
    /// the attempts of its parent do not run, and before it has a second thread.
    ///
    /// Answers how many there are that another thread was driving at the moment of the fork. Nobody
    /// will ever let go of these, so they keep their slots for good.
    pub fn forget(&self) -> usize {
        // Relaxed: there is one thread.
        self.0.forgotten.fetch_add(1, Ordering::Relaxed);
        self.0.plain.forget();
        self.slots().filter(|(index, slot)| !self.forget_call(*index, slot)).count()
    }

    fn slots(&self) -> impl Iterator<Item = (u32, &Slot)> {
        let indices = (0..).take(self.0.slab.allocated());
        indices.filter_map(|index| Some((index, self.0.slab.get(index)?)))
    }

    fn forget_call(&self, index: u32, slot: &Slot) -> bool {
        let id = FlightId::new(index, slot.flight.generation());
        // The list is one of a loop that does not go in this process.
        slot.unlist();
        let _over = slot.flight.cancel(id.generation());
        loop {
            match slot.flight.poll(id.generation()) {
                Drive::Late => break,
                Drive::Elsewhere => return false,
                Drive::You(hold) => {
                    let mut nobody_is_told = Step::NOTHING;
                    let mut pilot = Pilot::new(&self.0, slot, id, Nanos::ZERO).of_loop();
                    let left = pilot.fly(hold, &mut nobody_is_told);
                    slot.unlist();
                    self.leave(id, slot, left);
                    if left == Left::Empty {
                        break;
                    }
                }
            }
        }
        for ticket in (0..).map_while(Ticket::parse) {
            if slot.flight.claim(id.generation(), ticket).is_ok() {
                slot.seat(ticket).write(End::not_run(Nanos::ZERO));
                let _late = slot.flight.ready(id.generation(), ticket);
                Pilot::new(&self.0, slot, id, Nanos::ZERO).settle_late(ticket);
                self.leave(id, slot, slot.flight.retire(id.generation(), ticket).into());
            }
        }
        if slot.pins.forget() == Ok(Unpinned::Last) {
            self.0.slab.release(index);
        }
        self.poll(self.0.seal.call(id), Nanos::ZERO).is_err()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Completion, Engine, Nanos, Policy,
        manual::{Action, Begin, Step},
    };

    fn started(step: &Step) -> crate::manual::AttemptRef {
        match step.actions().next() {
            Some(Action::Start { attempt, .. }) => attempt,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_in_the_air_is_stale_and_settled() {
        let policy = Policy::builder().max_attempts(2).retry_budget("few");
        let engine = Engine::builder()
            .budget("few", crate::Budget::concurrency(1))
            .policy("svc.Get", policy.build().expect("a good policy"))
            .build()
            .expect("a good engine");
        let (manual, site) = (engine.manual(), engine.site("svc.Get"));
        let now = Nanos::from_millis(1);
        // A call whose second attempt holds the only reservation.
        let retry = |manual: &super::Manual| {
            let (call, step) = manual.begin(&site, Begin::new(now));
            let step = manual.finish(started(&step), now, &Completion::http(503), 0);
            let wake = step.expect("it was started").wake_at;
            let step = manual.poll(call, wake).expect("it is in the air");
            (call, step)
        };
        let (waiting, step) = retry(&manual);
        let second = started(&step);
        let (kept, step) = manual.begin(&site, Begin::new(now).keep());
        let _done = manual.finish(started(&step), now, &Completion::ok(), 0);
        let mut events = manual.event_loop(|| {});
        let (looped, step) = events.begin(&site, Begin::new(now));
        let loops = started(&step);
        let unheard = events.begin_later(&site, Begin::new(now));
        // On the loop's list, and not looked at.
        let (listed, step) = events.begin(&site, Begin::new(now));
        let listed_attempt = started(&step);
        let _elsewhere = manual.finish(listed_attempt, now, &Completion::ok(), 0);
        assert_eq!(manual.unfinished(), 3);
        assert!(retry(&manual).1.verdict().is_some(), "the control: there is no reservation left");

        assert_eq!(manual.forget(), 0);
        assert_eq!(manual.unfinished(), 0);
        for call in [waiting, kept, looped, unheard, listed] {
            assert!(manual.poll(call, now).is_err());
            assert!(manual.cancel(call).is_err());
            assert!(manual.end(call).is_err());
        }
        for attempt in [second, loops, listed_attempt] {
            assert!(manual.finish(attempt, now, &Completion::ok(), 0).is_err());
            assert!(manual.is_cancelled(attempt));
        }
        assert!(manual.timeline(kept).is_none());
        // The slots have other calls by now, one on another loop's list.
        let mut others = manual.event_loop(|| {});
        let theirs: Vec<_> = (0..8).map(|_| others.begin(&site, Begin::new(now))).collect();
        for (_, step) in &theirs {
            let _done = manual.finish(started(step), now, &Completion::ok(), 0);
        }
        // The loop knows of no start that nobody has heard of, and goes on.
        assert!(events.process(now).is_none());
        let told = std::iter::from_fn(|| others.process(now));
        assert_eq!(told.filter(|it| matches!(it, Action::Done { .. })).count(), theirs.len());
        events.begin_later(&site, Begin::new(now));
        let Some(Action::Start { attempt, .. }) = events.process(now) else { panic!("a start") };
        let _done = manual.finish(attempt, now, &Completion::ok(), 0).expect("it was started");
        assert!(matches!(events.process(now), Some(Action::Done { .. })));
        let again = retry(&manual).1;
        assert!(matches!(again.actions().next(), Some(Action::Start { .. })), "{again:?}");
    }

    #[test]
    fn a_loop_of_the_parents_goes_without_touching_what_came_after() {
        let engine = Engine::builder().max_flights(2).build().expect("a good engine");
        let (manual, site) = (engine.manual(), engine.site("svc.Get"));
        let now = Nanos::from_millis(1);
        let mut parents = manual.event_loop(|| {});
        let (_, step) = parents.begin(&site, Begin::new(now));
        let _listed = manual.finish(started(&step), now, &Completion::ok(), 0);
        parents.begin_later(&site, Begin::new(now));
        assert_eq!(manual.forget(), 0);
        let mut events = manual.event_loop(|| {});
        for _ in 0..2 {
            let (call, step) = events.begin(&site, Begin::new(now));
            assert!(!call.is_pass_through(), "in a slot of the parent's");
            let _listed = manual.finish(started(&step), now, &Completion::ok(), 0);
        }
        drop(parents);
        let told = std::iter::from_fn(|| events.process(now));
        assert_eq!(told.filter(|it| matches!(it, Action::Done { .. })).count(), 2);
    }
}
