//! Many calls on one event loop.
#![expect(clippy::disallowed_types, reason = "a host has atomics of its own")]

mod corners;

use std::{
    collections::VecDeque,
    iter,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rego::manual::Loop;

use super::*;

struct Host {
    engine: Engine,
    manual: Manual,
    events: Loop,
    notified: Arc<AtomicU32>,
}

impl Host {
    fn new(policy: PolicyBuilder) -> Self {
        let engine = Engine::builder()
            .policy("svc.Get", policy.build().unwrap())
            .ignore_environment()
            .max_flights(1_000)
            .seed(3)
            .build()
            .unwrap();
        let manual = engine.manual();
        let notified = Arc::new(AtomicU32::new(0));
        let bell = Arc::clone(&notified);
        let events = manual.event_loop(move || {
            bell.fetch_add(1, Ordering::SeqCst);
        });
        Self { engine, manual, events, notified }
    }

    fn begin(&mut self, begin: Begin) -> (CallId, Step) {
        self.events.begin(&self.engine.site("svc.Get"), begin)
    }

    fn process(&mut self, now: Nanos) -> Vec<Action> {
        iter::from_fn(|| self.events.process(now)).collect()
    }

    fn finish(&self, attempt: AttemptRef, now: Nanos, facts: Completion) {
        let step = self.manual.finish(attempt, now, &facts, attempt.to_bits()).unwrap();
        assert_eq!(step.actions().count(), 0, "the loop gets the actions");
        assert!(step.elsewhere());
    }

    /// How often it was notified since it was asked last.
    fn notified(&self) -> u32 {
        self.notified.swap(0, Ordering::SeqCst)
    }
}

fn starts(actions: impl IntoIterator<Item = Action>) -> Vec<AttemptRef> {
    let started = actions.into_iter().filter_map(|action| match action {
        Action::Start { attempt, .. } => Some(attempt),
        _ => None,
    });
    started.collect()
}

fn only_start(actions: impl IntoIterator<Item = Action>) -> AttemptRef {
    match starts(actions)[..] {
        [attempt] => attempt,
        ref other => panic!("one start, not {other:?}"),
    }
}

fn verdicts(actions: &[Action]) -> Vec<Verdict> {
    let done = actions.iter().filter_map(|action| match action {
        Action::Done { verdict, .. } => Some(*verdict),
        _ => None,
    });
    done.collect()
}

#[test]
fn what_follows_from_a_finish_comes_out_of_the_loop() {
    let mut host = Host::new(policy());
    assert_eq!(host.process(T0), []);
    assert!(host.events.next_deadline().is_never());
    let (call, step) = host.begin(Begin::new(T0).cookie(8));
    let attempt = only_start(step.actions());
    assert_eq!(host.notified(), 0, "the host is here");
    assert_eq!(host.events.next_deadline(), T0 + Nanos::from_secs(30));

    host.finish(attempt, T0 + ms(1), Completion::ok());
    assert_eq!(host.notified(), 1);
    assert_eq!(host.events.next_deadline(), Nanos::ZERO);
    let actions = host.process(T0 + ms(1));
    let [Action::Done { call: done, cookie, verdict, result, .. }] = actions[..] else {
        panic!("done, not {actions:?}")
    };
    assert_eq!((done, cookie, verdict), (call, 8, Verdict::Success));
    assert_eq!(result, attempt.to_bits());
    assert_eq!(host.manual.poll(call, T0), Err(Stale));
    assert_eq!(host.process(T0 + ms(1)), []);
    assert_eq!(host.notified(), 0);
}

#[test]
fn the_loop_keeps_the_time_of_its_calls() {
    let mut host = Host::new(hedging());
    let (_, first) = host.begin(Begin::new(T0));
    let (_, second) = host.begin(Begin::new(T0 + ms(5)).deadline(T0 + ms(15)));
    assert_eq!(host.events.next_deadline(), T0 + ms(15));
    assert_eq!(host.process(T0 + ms(14)), []);
    assert_eq!(host.events.next_deadline(), T0 + ms(15));
    let actions = host.process(T0 + ms(15));
    assert_eq!(verdicts(&actions), [Verdict::DeadlineExceeded]);
    let second = only_start(second.actions());
    assert!(actions.iter().any(|action| matches!(
        action,
        Action::Cancel { attempt, reason: CancelReason::Deadline, .. } if *attempt == second
    )));
    assert!(host.events.next_deadline() <= T0 + ms(20));
    let hedge = only_start(host.process(T0 + ms(20)));
    host.finish(hedge, T0 + ms(22), Completion::ok());
    let actions = host.process(T0 + ms(22));
    assert_eq!(verdicts(&actions), [Verdict::Success]);
    // Losers come late, and nobody hears of it.
    host.notified();
    for late in [only_start(first.actions()), second] {
        let step = host.manual.finish(late, T0 + ms(50), &Completion::ok(), 0).unwrap();
        assert_eq!(step.actions().count(), 0);
    }
    assert_eq!(host.notified(), 0);
    assert_eq!(host.process(T0 + Nanos::from_secs(60)), []);
    assert!(host.events.next_deadline().is_never());
}

#[test]
fn notify_is_called_on_the_edge_and_no_more() {
    let mut host = Host::new(policy());
    let attempts: Vec<AttemptRef> =
        (0..10).map(|_| only_start(host.begin(Begin::new(T0)).1.actions())).collect();
    assert_eq!(host.process(T0), []);
    assert_eq!(host.notified(), 0);
    // Ten calls fail: the first one's backoff is earlier than anything the loop knew of, the
    // others' are not.
    for (nth, attempt) in attempts.iter().enumerate() {
        host.finish(*attempt, T0 + ms(nth as u64), Completion::http(503));
        assert_eq!(host.notified(), u32::from(nth == 0), "{nth}");
    }
    assert_eq!(host.events.next_deadline(), T0 + ms(10));
    let again = starts(host.process(T0 + ms(19)));
    assert_eq!(again.len(), 10);
    // Ten calls are done: the queue goes non-empty once.
    for (nth, attempt) in again.iter().enumerate() {
        host.finish(*attempt, T0 + ms(30), Completion::ok());
        assert_eq!(host.notified(), u32::from(nth == 0), "{nth}");
    }
    // One that stops half way through comes back at once, and nobody has to tell it to.
    assert!(host.events.process(T0 + ms(30)).is_some());
    assert_eq!(host.events.next_deadline(), Nanos::ZERO);
    let (_, step) = host.begin(Begin::new(T0 + ms(30)));
    host.finish(only_start(step.actions()), T0 + ms(31), Completion::ok());
    assert_eq!(host.notified(), 0);
    assert_eq!(verdicts(&host.process(T0 + ms(31))).len(), 10);
    assert_eq!(host.process(T0 + Nanos::from_secs(60)), []);
    assert!(host.events.next_deadline().is_never());
}

#[test]
fn a_cancel_reaches_the_loop_with_a_poll() {
    let mut host = Host::new(policy());
    let (call, step) = host.begin(Begin::new(T0));
    assert_eq!(host.process(T0), []);
    host.manual.cancel(call).unwrap();
    assert_eq!(host.notified(), 0, "a signal handler may have done it");
    assert!(host.manual.poll(call, T0 + ms(1)).unwrap().elsewhere());
    assert_eq!(host.notified(), 1);
    let actions = host.process(T0 + ms(1));
    assert_eq!(verdicts(&actions), [Verdict::Cancelled]);
    assert!(host.manual.is_cancelled(only_start(step.actions())));
}

#[test]
fn more_than_one_step_holds_comes_in_one_go() {
    let mut host = Host::new(hedging().max_hedges(3).overall_timeout(of_ms(100)));
    let (_, step) = host.begin(Begin::new(T0));
    let mut attempts = starts(step.actions());
    for hedge in 1..=3 {
        attempts.push(only_start(host.process(T0 + ms(20 * hedge))));
    }
    let actions = host.process(T0 + ms(100));
    assert_eq!(actions.len(), 5, "{actions:?}");
    assert!(matches!(actions[4], Action::Done { verdict: Verdict::DeadlineExceeded, .. }));
    for attempt in attempts {
        let late = host.manual.finish(attempt, T0 + ms(200), &Completion::ok(), 0).unwrap();
        assert_eq!(late.actions().count(), 0);
    }
}

#[test]
fn a_call_without_room_is_finished_by_its_finish() {
    let mut host = Host::new(policy());
    let all: Vec<AttemptRef> =
        (0..1_001).map(|_| only_start(host.begin(Begin::new(T0)).1.actions())).collect();
    let last = all[1_000];
    assert!(last.call().is_pass_through());
    let step = host.manual.finish(last, T0, &Completion::ok(), 0).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::Success));
    for attempt in &all[..1_000] {
        host.finish(*attempt, T0, Completion::ok());
    }
    assert_eq!(verdicts(&host.process(T0)).len(), 1_000);
}

#[test]
fn a_kept_call_is_read_after_the_loop_has_said_done() {
    let mut host = Host::new(policy());
    let (call, step) = host.begin(Begin::new(T0).keep());
    host.finish(only_start(step.actions()), T0 + ms(4), Completion::ok());
    assert!(host.manual.timeline(call).is_none());
    assert_eq!(verdicts(&host.process(T0 + ms(4))), [Verdict::Success]);
    assert_eq!(host.manual.timeline(call).unwrap().call.ended, T0 + ms(4));
    host.manual.end(call).unwrap();
}

#[test]
fn dropping_the_loop_ends_its_calls() {
    let Host { engine, manual, mut events, notified } = Host::new(hedging());
    let site = engine.site("svc.Get");
    let begin = |events: &mut Loop| {
        let (call, step) = events.begin(&site, Begin::new(T0));
        (call, only_start(step.actions()))
    };
    let (running, attempt) = begin(&mut events);
    let (waiting, failed) = begin(&mut events);
    let (heard, won) = begin(&mut events);
    let (hedged, slow) = begin(&mut events);
    let _ = manual.finish(failed, T0, &Completion::http(503), 0).unwrap();
    assert_eq!(events.process(T0), None);
    let _ = manual.finish(won, T0 + ms(1), &Completion::ok(), 0).unwrap();
    let _ = manual.poll(hedged, T0 + ms(20)).unwrap();
    drop(events);
    for call in [running, waiting, heard, hedged] {
        assert_eq!(manual.poll(call, T0), Err(Stale));
    }
    assert_eq!(Arc::strong_count(&notified), 1, "nobody will be notified any more");
    for late in [attempt, slow] {
        assert!(manual.is_cancelled(late));
        assert!(manual.finish(late, T0 + ms(30), &Completion::ok(), 0).is_ok());
    }
}

/// A host in virtual time: requests take as long as they are told to.
#[test]
fn a_day_in_the_life_of_a_loop() {
    let mut host = Host::new(hedging().max_attempts(4).attempt_timeout(of_ms(60)));
    let mut random = 0x2545_f491_u64;
    let mut random = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 20) % below
    };
    let mut ends = std::collections::BTreeMap::new();
    let mut requests: VecDeque<(Nanos, AttemptRef, bool)> = VecDeque::new();
    let (mut now, mut begun, mut done, mut won) = (T0, 0u64, vec![0u8; 5_000], 0);
    while begun < 5_000 || !requests.is_empty() || !host.events.next_deadline().is_never() {
        let mut actions = host.process(now);
        while begun < 5_000 && requests.len() < 300 && random(3) > 0 {
            let (_, step) = host.begin(Begin::new(now).cookie(begun));
            actions.extend(step.actions());
            begun += 1;
        }
        for action in actions {
            match action {
                Action::Start { attempt, deadline, .. } => {
                    assert!(deadline > now);
                    let slow = if random(20) == 0 { 30 } else { 1 };
                    let took = Nanos::from_micros(500 + random(8_000) * slow);
                    requests.push_back((now + took, attempt, random(5) > 0));
                }
                Action::Cancel { attempt, .. } => {
                    assert!(host.manual.is_cancelled(attempt));
                    let loser = requests.iter_mut().find(|(_, other, _)| *other == attempt);
                    loser.expect("it runs").0 = now + Nanos::from_micros(50);
                }
                Action::Done { cookie, verdict, .. } => {
                    done[cookie as usize] += 1;
                    won += u32::from(verdict.is_success());
                    *ends.entry(verdict.label()).or_insert(0u32) += 1;
                }
            }
        }
        let next_request = requests.iter().map(|(at, ..)| *at).min().unwrap_or(Nanos::NEVER);
        let next = next_request.min(host.events.next_deadline());
        now = if begun < 5_000 { next.min(now + ms(2)) } else { next }.max(now);
        for _ in 0..requests.len() {
            let (at, attempt, good) = requests.pop_front().unwrap();
            if at > now {
                requests.push_back((at, attempt, good));
                continue;
            }
            let facts = if good { Completion::ok() } else { Completion::http(503) };
            let step = host.manual.finish(attempt, now, &facts, 0).unwrap();
            assert_eq!(step.actions().count(), 0);
        }
        if now.is_never() {
            break;
        }
    }
    assert!(done.iter().all(|times| *times == 1), "each call is done once");
    assert!(won > 4_900, "{ends:?}");
}

#[test]
fn hedges_follow_what_calls_take_though_none_of_them_fails() {
    let mut host = Host::new(policy().idempotent(true).hedge_quantile(0.9));
    let site = host.engine.site("svc.Get");
    assert!(site.hedge_plan().unwrap().cold);
    for nth in 0..400 {
        let now = T0 + ms(5 * nth);
        let (_, step) = host.begin(Begin::new(now));
        host.finish(only_start(step.actions()), now + ms(3 + nth % 2), Completion::ok());
        assert_eq!(verdicts(&host.process(now + ms(4))), [Verdict::Success]);
    }
    let plan = site.hedge_plan().unwrap();
    assert!(!plan.cold && !plan.warming && !plan.suspended, "{plan:?}");
    assert!((ms(3)..ms(5)).contains(&plan.delay), "{plan:?}");
}
