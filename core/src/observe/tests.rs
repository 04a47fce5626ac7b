//! Observers and their ring, told by hand and by a driver.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use proptest::prelude::*;

use super::*;
use crate::{
    budget::{BudgetState, Deposits},
    classify::Named,
    clock::{Clock, ManualClock},
    drive::{Attempt, Host, Options, Seeds, Workers, inline},
    notes::{AttemptKind, Timeline},
    outcome::{CancelReason, Class},
    policy::{Budget, Policy},
    site::{Own, Site, Terms},
    sync::Mutex,
    verdict::{BudgetDecision, PolicySource, Verdict},
};

/// Writes down what it is told.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

impl Observer for Diary {
    fn on_start(&self, event: &CallStarted<'_>) {
        self.write(format!("{} start {} {}", event.call, event.key, event.at));
    }

    fn on_attempt(&self, event: &AttemptEnded<'_>) {
        let AttemptEnded { call, attempt, outcome, late, .. } = event;
        let late = if *late { " late" } else { "" };
        self.write(format!("{call} attempt {attempt} {}{late}", outcome.reason));
    }

    fn on_hedge_spawn(&self, event: &HedgeSpawned<'_>) {
        let HedgeSpawned { call, attempt, retry_index, hedge_index, .. } = event;
        self.write(format!("{call} hedge {attempt} of {retry_index}: {hedge_index}"));
    }

    fn on_hedge_cancel(&self, event: &AttemptCancelled<'_>) {
        self.write(format!("{} cancel {} {}", event.call, event.attempt, event.reason.label()));
    }

    fn on_budget_decision(&self, event: &BudgetDecided<'_>) {
        let BudgetDecided { call, kind, cost, decision, .. } = event;
        self.write(format!("{call} budget {} {cost} {}", kind.label(), decision.label()));
    }

    fn on_success(&self, event: &CallEnded<'_>) {
        self.write(format!("{} success after {}", event.call, event.attempts));
    }

    fn on_failure(&self, event: &CallEnded<'_>) {
        self.write(format!("{} failure {}", event.call, event.verdict));
    }
}

/// Panics at everything, with a payload that panics once more when it is dropped.
struct Bomb;

struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        panic!("again");
    }
}

impl Observer for Bomb {
    fn on_start(&self, _: &CallStarted<'_>) {
        panic_any(Payload);
    }

    fn on_attempt(&self, _: &AttemptEnded<'_>) {
        panic!("attempt");
    }

    fn on_budget_decision(&self, _: &BudgetDecided<'_>) {
        panic!("budget");
    }

    fn on_success(&self, _: &CallEnded<'_>) {
        panic!("success");
    }

    fn on_failure(&self, _: &CallEnded<'_>) {
        panic!("failure");
    }
}

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

fn ended(call: u64, verdict: Verdict, answer: u8, attempts: u8) -> CallEnded<'static> {
    CallEnded {
        call,
        key: "svc.Get",
        policy_id: "p",
        policy_version: "7",
        policy_source: PolicySource::Static,
        started: ms(0),
        first_started: ms(1),
        at: ms(9),
        verdict,
        answer: Some(AttemptId::new(answer)),
        attempts,
    }
}

/// Tells a call that ends like this after these notes.
fn tell(observers: &Observers, whats: &[Event], verdict: Verdict, answer: u8, attempts: u8) {
    let call = observers.started("svc.Get", ms(0));
    let mut notes = Notes::new();
    for what in whats {
        notes.push(ms(2), *what);
    }
    for note in notes.as_slice() {
        observers.noted(call, "svc.Get", note);
    }
    observers.ended(&ended(call, verdict, answer, attempts), &notes);
}

fn attempt_ended(attempt: u8, outcome: Outcome, late: bool) -> Event {
    let attempt = AttemptId::new(attempt);
    Event::Ended { attempt, started: ms(0), outcome, facts: None, late }
}

/// A call whose first hedge is denied, whose second wins.
fn hedged() -> Vec<Event> {
    let budget = |decision| Event::Budget { kind: AttemptKind::Hedge, cost: 1, decision };
    vec![
        budget(BudgetDecision::Denied),
        Event::HedgeSkipped { reason: crate::verdict::HedgeReason::Denied },
        budget(BudgetDecision::Allowed),
        Event::Launched { attempt: AttemptId::new(1), retry_index: 0, hedge_index: 1 },
        attempt_ended(1, Outcome::success(), false),
        Event::CancelRequested {
            attempt: AttemptId::FIRST,
            started: ms(0),
            reason: CancelReason::LostRace,
        },
        Event::Done { verdict: Verdict::Success },
    ]
}

fn diary() -> (Arc<Diary>, Arc<Observers>) {
    let diary = Arc::new(Diary::default());
    // Twice in an `Arc`, as one comes that the program keeps a hand on.
    let observers = Observers::new(vec![Arc::new(diary.clone())], None).expect("somebody listens");
    (diary, observers)
}

#[test]
fn nobody_who_listens_is_nobody_to_tell() {
    assert!(Observers::new(Vec::new(), None).is_none());
    assert!(Observers::new(Vec::new(), Some(EventRing::new(2))).is_some());
}

#[test]
fn notes_become_callbacks() {
    let (diary, observers) = diary();
    tell(&observers, &hedged(), Verdict::Success, 1, 2);
    let expected = [
        "0 start svc.Get 0ns",
        "0 budget hedge 1 denied",
        "0 budget hedge 1 allowed",
        "0 hedge 1 of 0: 1",
        "0 attempt 1 success",
        "0 cancel 0 lost_race",
        "0 success after 2",
    ];
    assert_eq!(diary.lines(), expected);
}

#[test]
fn a_first_success_is_told_once_whether_or_not_it_was_noted() {
    let (diary, observers) = diary();
    tell(&observers, &[], Verdict::Success, 0, 1);
    let denied = &hedged()[..2];
    tell(&observers, denied, Verdict::Success, 0, 1);
    let late = attempt_ended(0, Outcome::success(), true);
    tell(&observers, &[late], Verdict::Success, 0, 1);
    let expected = [
        "0 start svc.Get 0ns",
        "0 attempt 0 success",
        "0 success after 1",
        "1 start svc.Get 0ns",
        "1 budget hedge 1 denied",
        "1 attempt 0 success",
        "1 success after 1",
        "2 start svc.Get 0ns",
        "2 attempt 0 success late",
        "2 success after 1",
    ];
    assert_eq!(diary.lines(), expected);
}

#[test]
fn a_retry_is_no_hedge_and_a_failed_call_is_no_success() {
    let (diary, observers) = diary();
    let failed = Outcome::retryable(Class::Transient);
    let whats = [
        attempt_ended(0, failed, false),
        Event::Launched { attempt: AttemptId::new(1), retry_index: 1, hedge_index: 0 },
        attempt_ended(1, failed, false),
        Event::Done { verdict: Verdict::MaxAttempts },
    ];
    tell(&observers, &whats, Verdict::MaxAttempts, 1, 2);
    let expected = [
        "0 start svc.Get 0ns",
        "0 attempt 0 retryable",
        "0 attempt 1 retryable",
        "0 failure max_attempts",
    ];
    assert_eq!(diary.lines(), expected);
}

#[test]
fn the_ring_keeps_the_same_events_in_order_and_counts_what_it_drops() {
    let ring = EventRing::new(8);
    let observers = Observers::new(Vec::new(), Some(ring)).expect("a ring");
    tell(&observers, &hedged(), Verdict::Success, 1, 2);
    tell(&observers, &[], Verdict::Success, 0, 1);
    let mut events = [EventRecord::default(); 16];
    assert_eq!(observers.drain(&mut events), (8, 3));
    assert!(events[..8].iter().all(|event| event.call == 0 && event.key() == "svc.Get"));
    assert_eq!(events[0].what, Told::CallStarted);
    let whats: Vec<_> = hedged()[..6].iter().map(|what| Told::Noted(*what)).collect();
    assert_eq!(events[1..7].iter().map(|event| event.what).collect::<Vec<_>>(), whats);
    let Told::CallEnded { verdict, answer, attempts, .. } = events[7].what else {
        panic!("the end, not {:?}", events[7]);
    };
    assert_eq!((verdict, answer, attempts), (Verdict::Success, Some(AttemptId::new(1)), 2));
    assert_eq!(observers.drain(&mut events), (0, 3));
}

/// A panic in an observer neither reaches the call nor keeps the others from being told.
#[test]
fn an_observers_panic_is_contained_and_counted() {
    let diaries = [Arc::new(Diary::default()), Arc::new(Diary::default())];
    let [before, after] = &diaries;
    let all: Vec<Arc<dyn Observer>> = vec![before.clone(), Arc::new(Bomb), after.clone()];
    let observers = Observers::new(all, None).expect("somebody listens");
    tell(&observers, &hedged(), Verdict::Success, 1, 2);
    tell(&observers, &[], Verdict::Cancelled, 0, 1);
    assert_eq!(before.lines(), after.lines());
    assert_eq!(before.lines().len(), 9);
    // Two starts, two budget decisions, one attempt, a success and a failure.
    assert_eq!(observers.panics(), 7);
}

/// What one attempt of a script does.
#[derive(Clone, Copy, Debug)]
struct Act {
    takes: u64,
    ends: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Ok,
    Fails(Class),
    AsksToWait(u64),
    Refuses,
    Aborts,
    Panics,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let end = prop_oneof![
        2 => Just(End::Ok),
        6 => prop_oneof![Just(Class::Transient), Just(Class::Throttled)].prop_map(End::Fails),
        1 => (0..3_000_u64).prop_map(End::AsksToWait),
        1 => Just(End::Refuses),
        1 => Just(End::Aborts),
        1 => Just(End::Panics),
    ];
    prop::collection::vec((0..400_u64, end).prop_map(|(takes, ends)| Act { takes, ends }), 8)
}

fn site() -> Site {
    let policy = Policy::builder().max_attempts(5).build().expect("a policy");
    let bucket = Budget::token_bucket(2, 1e-6);
    let budget = BudgetState::new("retries", &bucket, Deposits::PerCall, Nanos::ZERO);
    let budget = Arc::new(budget);
    Site::new(
        "svc.Get",
        Own { retry: budget.clone(), hedge: budget.clone() },
        Arc::new(Terms {
            mode: policy.mode,
            policy,
            source: PolicySource::Static,
            classifier: Named::default(),
            retry_budget: Some(budget),
            hedge_budget: None,
            attributes: Vec::new(),
        }),
    )
}

/// Runs the script, two calls of it; all that a caller can see of them.
fn play(acts: &[Act], deadline: u64, observers: Option<Arc<Observers>>) -> Vec<String> {
    let clock = ManualClock::auto_advance();
    let host = Host {
        executor: None,
        workers: Workers::new(1),
        clock: Clock::from(clock.clone()),
        seeds: Seeds::fixed(7),
        listener: observers.map(|observers| observers as Arc<dyn Listener>),
        alarms: None,
    };
    let site = site();
    let options = Options { within: Some(ms(deadline)), ..Options::default() };
    let mut acts = acts.iter().cycle();
    let mut play_one = || {
        let mut timeline: Option<Timeline> = None;
        let op = |attempt: &Attempt<'_>| {
            let act = acts.next().expect("without end");
            clock.advance(ms(act.takes));
            match act.ends {
                End::Ok => return Ok(attempt.number()),
                End::Fails(class) => attempt.outcome(Outcome::retryable(class)),
                End::AsksToWait(millis) => {
                    attempt.outcome(Outcome::retryable(Class::Throttled).backoff(ms(millis)));
                }
                End::Refuses => attempt.outcome(Outcome::non_retryable(Class::Server)),
                End::Aborts => attempt.outcome(Outcome::abort()),
                End::Panics => panic!("scripted"),
            }
            Err(attempt.number())
        };
        let run = || inline::run(&host, &site, &options, op, Some(&mut timeline));
        let result = catch_unwind(AssertUnwindSafe(run)).map_err(|_| "panicked");
        format!("{result:?} {timeline:?} {}", clock.now())
    };
    vec![play_one(), play_one()]
}

proptest! {
    /// Attaching observers, a ring that overflows or an observer that panics at everything changes
    /// neither results nor timelines.
    #[test]
    fn whoever_listens_changes_nothing(acts in acts(), deadline in 1..4_000_u64) {
        let alone = play(&acts, deadline, None);
        let diary = Arc::new(Diary::default());
        let listeners = [
            Observers::new(vec![diary.clone()], None),
            Observers::new(vec![], Some(EventRing::new(64))),
            Observers::new(vec![], Some(EventRing::new(2))),
            Observers::new(vec![Arc::new(Bomb), diary.clone()], Some(EventRing::new(4))),
        ];
        for observers in listeners {
            prop_assert!(observers.is_some());
            prop_assert_eq!(&alone, &play(&acts, deadline, observers));
        }
        prop_assert!(!diary.lines().is_empty());
    }
}
