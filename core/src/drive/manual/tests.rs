use std::collections::HashSet;

use super::{plain::KNOWN, *};
use crate::{
    Idempotent,
    clock::{Clock, ManualClock},
    completion::Completion,
    drive::{
        Seeds,
        tests::{PanicsAt, ROOM, Yard, bare},
    },
    flight::Ticket,
    notes::AttemptId,
    outcome::Outcome,
    policy::{Hedge, Jitter, Policy},
    site::Counter,
    sync::Ordering,
    verdict::Verdict,
};

mod event_loop;
mod stand_aside;
mod stress;
mod twin;

const SEED: u64 = 11;

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// Hedges after 20 ms, no jitter: every time can be told in advance.
fn hedging() -> Policy {
    let mut policy = Policy::default();
    policy.retry.jitter = Jitter::None;
    policy.idempotent = Idempotent::Yes;
    policy.hedge = Hedge { enabled: true, delay: ms(20), ..Hedge::default() };
    policy
}

fn manual(max_flights: usize) -> Manual {
    let host = Host::bare(Clock::from(ManualClock::new()), SEED);
    Manual::new(&Arc::new(host), max_flights)
}

/// Every slot can be had, so none is lost.
fn assert_empty(manual: &Manual) {
    let slab = &manual.0.slab;
    let taken: Vec<u32> = (0..slab.max())
        .map(|nth| {
            let taken = slab.acquire(Shard::current());
            taken.unwrap_or_else(|| panic!("{} of {} slots are lost", slab.max() - nth, slab.max()))
        })
        .map(|(index, _)| index)
        .collect();
    taken.into_iter().for_each(|index| slab.release(index));
}

fn attempts(step: &Step) -> Vec<AttemptRef> {
    let started = step.actions().filter_map(|action| match action {
        Action::Start { attempt, .. } => Some(attempt),
        _ => None,
    });
    started.collect()
}

#[test]
fn full_house_without_growth() {
    const FLIGHTS: usize = 65_000;
    let manual = manual(DEFAULT_MAX_FLIGHTS);
    let yard = Yard::new(Policy::default());
    let mut allocated = 0;
    for round in 0..3 {
        let begun: Vec<AttemptRef> = (0..FLIGHTS)
            .flat_map(|nth| {
                let begin = Begin::new(ms(1)).cookie(nth as u64);
                attempts(&manual.begin_at(&yard.site, begin).1)
            })
            .collect();
        assert_eq!(begun.len(), FLIGHTS);
        assert_eq!(yard.site.in_flight() as usize, FLIGHTS);
        for (nth, attempt) in begun.into_iter().enumerate() {
            let step = manual.finish(attempt, ms(2), &Completion::ok(), 0).unwrap();
            let Some(Action::Done { cookie, verdict: Verdict::Success, .. }) =
                step.actions().next()
            else {
                panic!("done, not {step:?}")
            };
            assert_eq!(cookie, nth as u64);
        }
        yard.assert_quiet();
        if round == 0 {
            allocated = manual.0.slab.allocated();
        }
        assert_eq!(manual.0.slab.allocated(), allocated, "round {round}");
    }
    assert_empty(&manual);
}

#[test]
fn an_attempt_nobody_was_told_of_is_taken_back() {
    let manual = manual(4);
    let yard = Yard::new(hedging());
    let (call, step) = manual.begin_at(&yard.site, Begin::new(ms(1)));
    let primary = attempts(&step)[0];
    let Ok(Meant::InFlight(id)) = manual.0.seal.meant_call(call) else { panic!("there is room") };
    let slot = manual.slot(id).unwrap();
    // The hedge is due, and the step has no place for it.
    let mut full = Step::NOTHING;
    while !full.is_full() {
        full.push(step.actions().next().unwrap());
    }
    let Drive::You(hold) = slot.flight.poll(id.generation()) else { panic!("nobody drives") };
    let mut pilot = Pilot::new(&manual.0, slot, id, ms(21));
    assert_eq!(pilot.fly(hold, &mut full), Left::There);
    assert!(full.more());
    assert_eq!(yard.budgets[1].available(Nanos::ZERO), f64::from(ROOM - 1), "the hedge is paid");

    let step = manual.finish(primary, ms(22), &Completion::ok(), 7).unwrap();
    let actions: Vec<Action> = step.actions().collect();
    assert!(
        matches!(actions[..], [Action::Done { verdict: Verdict::Success, attempts: 2, .. }]),
        "neither a start nor a cancel of the hedge: {actions:?}"
    );
    yard.assert_quiet();
    assert_empty(&manual);
}

#[test]
fn a_late_driver_gets_what_a_busy_one_was_told() {
    let manual = manual(4);
    let yard = Yard::new(hedging());
    let (call, step) = manual.begin_at(&yard.site, Begin::new(ms(1)));
    let primary = attempts(&step)[0];
    let Ok(Meant::InFlight(id)) = manual.0.seal.meant_call(call) else { panic!("there is room") };
    let slot = manual.slot(id).unwrap();
    let Drive::You(hold) = slot.flight.poll(id.generation()) else { panic!("nobody drives") };
    // While this thread drives, others come with news.
    let step = manual.finish(primary, ms(5), &Completion::http(503), 0).unwrap();
    assert!(step.elsewhere() && step.actions().next().is_none());
    assert!(manual.poll(call, ms(6)).unwrap().elsewhere());
    manual.cancel(call).unwrap();
    let mut step = Step::NOTHING;
    let left = Pilot::new(&manual.0, slot, id, ms(4)).fly(hold, &mut step);
    manual.leave(id, slot, left);
    assert_eq!(step.verdict(), Some(Verdict::Cancelled), "the failure first, then the cancel");
    yard.assert_quiet();
    assert_empty(&manual);
}

#[test]
fn all_seats_taken_is_no_new_attempt() {
    let mut policy = hedging();
    policy.retry.attempt_timeout = ms(1);
    policy.hedge.max_hedges = 3;
    policy.hedge.delay = Nanos::from_micros(200);
    policy.retry.max_attempts = 5;
    let manual = manual(4);
    let yard = Yard::new(policy);
    let (call, mut step) = manual.begin_at(&yard.site, Begin::new(ms(1)));
    let mut started = Vec::new();
    let verdict = loop {
        started.extend(attempts(&step));
        if let Some(verdict) = step.verdict() {
            break verdict;
        }
        let now = if step.more() { Nanos::ZERO } else { step.wake_at };
        step = manual.poll(call, now).unwrap();
    };
    // Abandoned attempts of one key are limited sooner than those of one call.
    assert_eq!(verdict, Verdict::AbandonedLimit);
    assert!(started.len() <= 12);
    for attempt in started {
        let late = manual.finish(attempt, ms(900), &Completion::ok(), 0).unwrap();
        assert_eq!(late.actions().count(), 0);
    }
    yard.assert_quiet();
    assert_empty(&manual);
}

#[test]
fn a_loop_may_move_to_another_thread_and_calls_may_be_driven_by_all() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    sent::<Loop>();
    shared::<Manual>();
}

/// Plain calls have slots that come back, each once; beyond what is known there are ids all the same,
/// and numbers that were never made are none.
#[test]
fn plain_slots_come_back_once() {
    let (manual, yard) = (manual(1), Yard::new(hedging()));
    let (_, _there) = manual.begin_at(&yard.site, Begin::new(ms(1)));
    for _ in 0..3 {
        let begun: Vec<_> = (0..KNOWN as u64 + 3)
            .map(|cookie| manual.begin_at(&yard.site, Begin::new(ms(1)).cookie(cookie)))
            .collect();
        let distinct: HashSet<_> = begun.iter().map(|(call, _)| call.to_bits()).collect();
        assert_eq!(distinct.len(), begun.len());
        assert_eq!(manual.unfinished(), KNOWN + 1, "three are not known");
        for (cookie, (call, step)) in (0..).zip(&begun) {
            let attempt = attempts(step)[0];
            assert!(call.is_pass_through() && manual.poll(*call, ms(2)).is_ok());
            let step = manual.finish(attempt, ms(2), &Completion::ok(), 7).unwrap();
            let Some(Action::Done { cookie: told, .. }) = step.actions().next() else {
                panic!("done, not {step:?}")
            };
            assert_eq!(told, if cookie < KNOWN as u64 { cookie } else { 0 });
        }
        assert_eq!(manual.unfinished(), 1);
        // Of a known one it is known that it is over.
        assert_eq!(
            manual.finish(attempts(&begun[0].1)[0], ms(2), &Completion::ok(), 0),
            Err(Stale)
        );
    }
}

#[test]
fn a_plain_attempt_that_was_never_made_is_stale_and_so_is_a_forgotten_one() {
    let (manual, yard) = (manual(1), Yard::new(hedging()));
    let (_, _there) = manual.begin_at(&yard.site, Begin::new(ms(1)));
    let unknown = |number| {
        let generation = Generation::parse(number).expect("a generation");
        manual.0.seal.plain(FlightId::new(FlightId::SLOTS - 1, generation))
    };
    let forged = |number| manual.finish(unknown(number), ms(1), &Completion::ok(), 0);
    assert_eq!(forged(1), Err(Stale), "there is none");
    let begin = || attempts(&manual.begin_at(&yard.site, Begin::new(ms(1))).1)[0];
    let known: Vec<_> = (0..KNOWN).map(|_| begin()).collect();
    assert_eq!(begin(), unknown(1));
    assert!(forged(1).is_ok());
    assert_eq!((forged(2), forged((1 << 20) + 1)), (Err(Stale), Err(Stale)));
    assert!(manual.is_cancelled(unknown(2)) && !manual.is_cancelled(unknown(1)));
    manual.forget();
    assert_eq!((manual.unfinished(), forged(1)), (0, Err(Stale)));
    assert_eq!(manual.finish(known[7], ms(1), &Completion::ok(), 0), Err(Stale));
    let _there = begin();
    assert!(begin().to_bits() >> 40 < KNOWN as u64, "the slots are free");
}
