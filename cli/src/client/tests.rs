use std::{io::ErrorKind, thread};

use super::*;
use crate::{
    backend::{Backend, Tally},
    scenario::{Fate, Model, Scenario},
};

const LENGTH: Duration = Duration::from_secs(10);

fn start(scenario: Scenario) -> (Backend, Client, Model) {
    let model = Model::new(scenario, 1, LENGTH);
    let backend = Backend::start(model).expect("loopback is there");
    let client = Client::new(Target::root(backend.address()));
    (backend, client, model)
}

fn first(call: u64) -> Label {
    Label { call, attempt: 0, told: 0 }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// The first call whose first attempt takes half a second.
fn straggler(model: &Model) -> u64 {
    let slow = Fate::Answer { after: Duration::from_millis(500) };
    (0..).find(|call| model.fate(None, *call, 0) == slow).expect("one in a hundred is slow")
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never came true");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn keeps_connections_alive() {
    let (backend, client, _) = start(Scenario::Pushback);
    for attempt in 1..=10 {
        let label = Label { call: 1, attempt, told: 0 };
        let answer = client.fetch(label, soon(), &Cancel::default()).expect("an answer");
        assert_eq!((answer.status, answer.keep_alive), (200, true));
    }
    assert_eq!(client.idle().len(), 1, "one connection served them all");
    assert_eq!(backend.tally().arrivals, 10);
}

#[test]
fn a_connection_that_lay_idle_is_not_used_again() {
    let (_backend, client, _) = start(Scenario::Stragglers);
    client.fetch(first(1), soon(), &Cancel::default()).expect("an answer");
    client.idle()[0].since -= MAX_IDLE + Duration::from_millis(1);
    assert!(client.reuse().is_none());
    assert!(client.idle().is_empty());
}

#[test]
fn another_thread_can_cancel() {
    let (backend, client, model) = start(Scenario::Stragglers);
    let cancel = Cancel::default();
    let call = straggler(&model);
    thread::scope(|scope| {
        let request = scope.spawn(|| client.fetch(first(call), soon(), &cancel));
        wait_for(|| backend.tally().arrivals == 1);
        cancel.cancel();
        let error = request.join().expect("no panic").expect_err("it was cancelled");
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    });
    assert!(cancel.is_cancelled());
    assert!(client.idle().is_empty(), "the connection is not used again");
    wait_for(|| backend.tally() == Tally { arrivals: 1, cancelled: 1, ..Tally::default() });
}

#[test]
fn cancelled_before_the_start_means_never_sent() {
    let (backend, client, _) = start(Scenario::Stragglers);
    let cancel = Cancel::default();
    cancel.cancel();
    let error = client.fetch(first(1), soon(), &cancel).expect_err("it was cancelled");
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert_eq!(backend.tally().arrivals, 0);
}

#[test]
fn cancelled_after_the_end_changes_nothing() {
    let (_backend, client, _) = start(Scenario::Stragglers);
    let cancel = Cancel::default();
    client.fetch(first(1), soon(), &cancel).expect("an answer");
    cancel.cancel();
    client.fetch(first(2), soon(), &Cancel::default()).expect("the connection is well");
}

#[test]
fn the_deadline_holds() {
    let (backend, client, model) = start(Scenario::Stragglers);
    let deadline = Instant::now() + Duration::from_millis(40);
    let error = client
        .fetch(first(straggler(&model)), deadline, &Cancel::default())
        .expect_err("half a second is too long");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(Instant::now() >= deadline);
    wait_for(|| backend.tally().cancelled == 1);

    let error = client.fetch(first(1), Instant::now(), &Cancel::default());
    assert_eq!(error.expect_err("there is no time").kind(), ErrorKind::TimedOut);
}

#[test]
fn an_outage_shows_as_503_and_as_resets() {
    let (backend, client, _) = start(Scenario::Outage);
    backend.begin_lane(Instant::now() - LENGTH / 2);
    let (mut failed, mut reset) = (0, 0);
    for call in 0..40 {
        match client.fetch(first(call), soon(), &Cancel::default()) {
            Ok(answer) => {
                assert_eq!(answer.status, 503);
                failed += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                reset += 1;
            }
        }
    }
    assert!(failed > 10 && reset > 5, "{failed} failed, {reset} reset");
}

#[test]
fn pushback_is_heard_in_both_forms_and_patience_is_rewarded() {
    let (backend, client, model) = start(Scenario::Pushback);
    for as_date in [true, false] {
        let call = (0..)
            .find(|call| match model.fate(None, *call, 0) {
                Fate::PushBack { ask, .. } => ask.as_date == as_date && ask.seconds == 1,
                _ => false,
            })
            .expect("one call in 25 is pushed back");
        let answer = client.fetch(first(call), soon(), &Cancel::default()).expect("an answer");
        assert!([429, 503].contains(&answer.status));
        assert_eq!(answer.retry_after.as_deref() == Some("1"), !as_date, "{answer:?}");
        thread::sleep(Duration::from_secs(1));
        let again = Label { call, attempt: 1, told: 1 };
        let answer = client.fetch(again, soon(), &Cancel::default()).expect("an answer");
        assert_eq!(answer.status, 200);
    }
    let Tally { pushed_back, early, .. } = backend.tally();
    assert_eq!((pushed_back, early), (2, 0));
}
