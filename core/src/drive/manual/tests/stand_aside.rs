//! The engine panics while it drives a call: the call ends, and nothing is left of it.

use super::*;
use crate::call::{self, Launch, Reserved};

/// A call whose engine panics at the n-th note.
fn panicking(note: u64, policy: Policy) -> (Manual, Yard, Arc<PanicsAt>) {
    let listener = PanicsAt::note(note);
    let host = bare(Clock::from(ManualClock::new()), SEED, Some(Arc::clone(&listener) as _));
    (Manual::new(&host, 4), Yard::new(policy), listener)
}

fn verdict(step: &Step) -> Option<(Verdict, u64)> {
    step.actions().find_map(|action| match action {
        Action::Done { verdict, result, .. } => Some((verdict, result)),
        _ => None,
    })
}

fn cancels(step: &Step) -> usize {
    step.actions().filter(|action| matches!(action, Action::Cancel { .. })).count()
}

#[test]
fn a_call_in_the_air_ends_and_asks_its_attempts_to_stop() {
    // The first note is the hedge's launch: the host never hears of that attempt.
    let (manual, yard, listener) = panicking(0, hedging());
    let (call, step) = manual.begin_at(&yard.site, Begin::new(ms(0)));
    let primary = attempts(&step)[0];
    let step = manual.poll(call, ms(20)).unwrap();
    assert!(listener.panicked());
    assert_eq!((verdict(&step), cancels(&step)), (Some((Verdict::PassThrough, 0)), 1));
    assert!(manual.is_cancelled(primary));
    assert!(manual.poll(call, ms(21)).is_err(), "it is over");
    assert_eq!(yard.site.counters.get(Counter::EnginePanics), 1);
    let step = manual.finish(primary, ms(30), &Completion::ok(), 1).unwrap();
    assert_eq!(step.actions().count(), 0, "late");
    assert!(manual.finish(primary, ms(30), &Completion::ok(), 1).is_err());
    yard.assert_quiet();
    assert_empty(&manual);
}

#[test]
fn a_call_whose_attempt_failed_ends_with_that_result() {
    let (manual, yard, _) = panicking(0, Policy::default());
    let (_, step) = manual.begin_at(&yard.site, Begin::new(ms(0)));
    let step = manual.finish(attempts(&step)[0], ms(1), &Completion::http(503), 7).unwrap();
    assert_eq!(verdict(&step), Some((Verdict::PassThrough, 7)));
    yard.assert_quiet();
    assert_empty(&manual);
}

#[test]
fn a_success_the_machine_was_being_told_of_is_the_answer() {
    // Notes 0 and 1 are the hedge's payment and launch, 2 the primary's cancel or the hedge's end.
    for note in 2..4 {
        let (manual, yard, listener) = panicking(note, hedging());
        let (call, _) = manual.begin_at(&yard.site, Begin::new(ms(0)));
        let hedge = attempts(&manual.poll(call, ms(20)).unwrap())[0];
        let step = manual.finish(hedge, ms(25), &Completion::ok(), 9).unwrap();
        assert!(listener.panicked());
        assert_eq!(verdict(&step), Some((Verdict::Success, 9)), "note {note}");
    }
}

#[test]
fn calls_of_a_loop_end_as_well() {
    let (manual, yard, listener) = panicking(0, Policy::default());
    let mut looping = manual.event_loop(|| {});
    let (_, step) = looping.begin_on(&yard.site, Begin::new(ms(0)));
    let attempt = attempts(&step)[0];
    let step = manual.finish(attempt, ms(1), &Completion::http(503), 7).unwrap();
    assert!(step.elsewhere(), "the loop's to hear");
    assert!(listener.panicked());
    let Some(Action::Done { verdict, result, .. }) = looping.process(ms(1)) else {
        panic!("the loop hears of the end")
    };
    assert_eq!((verdict, result), (Verdict::PassThrough, 7));
    assert!(looping.process(ms(1)).is_none());
    yard.assert_quiet();
}

/// The machine has said what to do, and the engine panics before it is done: what was paid for it is
/// given back.
#[test]
fn a_launch_that_was_not_made_gives_back_its_place() {
    let (manual, yard) = (manual(4), Yard::new(hedging()));
    let (call, step) = manual.begin_at(&yard.site, Begin::new(ms(1)));
    let primary = attempts(&step)[0];
    let Ok(Meant::InFlight(id)) = manual.0.seal.meant_call(call) else { panic!("there is room") };
    let slot = manual.slot(id).unwrap();
    let Drive::You(mut hold) = slot.flight.poll(id.generation()) else { panic!("nobody drives") };
    let mut pilot = Pilot::new(&manual.0, slot, id, ms(2));
    assert!(yard.budgets[0].reserve(Shard::current()).is_allowed());
    let launch = Launch {
        reserved: Reserved::Retry,
        ..slot.seat(ticket(&manual, primary)).launch().unwrap()
    };
    let said = Some(call::Step::Launch(launch));
    slot.with_machine(|machine| {
        pilot.stand_aside(machine, &mut hold, said, Box::new("on purpose"));
    });
    let mut step = Step::new();
    let left = pilot.fly(hold, &mut step);
    manual.leave(id, slot, left);
    assert_eq!((verdict(&step), cancels(&step)), (Some((Verdict::PassThrough, 0)), 1));
    assert_eq!(manual.finish(primary, ms(3), &Completion::ok(), 0).unwrap().actions().count(), 0);
    yard.assert_quiet();
    assert_empty(&manual);
}

fn ticket(manual: &Manual, attempt: AttemptRef) -> Ticket {
    match manual.0.seal.meant(attempt) {
        Ok(Meant::InFlight((_, ticket))) => ticket,
        other => panic!("an attempt in the air, not {other:?}"),
    }
}
