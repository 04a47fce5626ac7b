//! A loop that is told odd times, and starts that nobody has heard of yet.

use super::*;

/// A host that caches the time hands some calls an older one than the loop has seen.
#[test]
fn an_older_time_loses_no_timer() {
    for older in [T0, T0 + ms(1), T0 + ms(30)] {
        let mut host = Host::new(policy());
        assert_eq!(host.process(T0 + ms(31)), []);
        let (_, step) = host.begin(Begin::new(T0).deadline(T0 + ms(5)));
        assert!(host.events.next_deadline() <= T0 + ms(5), "its time has come");
        let mut actions = host.process(older);
        actions.extend(host.process(T0 + ms(40)));
        assert_eq!(verdicts(&actions), [Verdict::DeadlineExceeded], "told {older:?}");
        assert!(host.events.next_deadline().is_never());
        let _ = host.manual.finish(only_start(step.actions()), T0, &Completion::ok(), 0).unwrap();
    }
}

#[test]
fn a_hedge_is_due_whatever_time_the_loop_is_told_next() {
    let mut host = Host::new(hedging());
    assert_eq!(host.process(T0 + ms(31)), []);
    let (_, step) = host.begin(Begin::new(T0));
    let first = only_start(step.actions());
    let hedge = only_start(host.process(T0 + ms(1)));
    assert_ne!(first, hedge);
    for attempt in [hedge, first] {
        let _late = host.manual.finish(attempt, T0 + ms(2), &Completion::ok(), 0).unwrap();
    }
    assert_eq!(verdicts(&host.process(T0)), [Verdict::Success]);
}

/// A loop that goes before its host has heard of a start ends that call as it does all others.
#[test]
fn a_start_that_nobody_heard_of_goes_with_its_loop() {
    let mut host = Host::new(policy());
    let site = host.engine.site("svc.Get");
    let unheard = host.events.begin_later(&site, Begin::new(T0));
    let (_, heard) = host.begin(Begin::new(T0));
    assert_eq!(host.events.next_deadline(), Nanos::ZERO);
    let Host { engine, manual, events, .. } = host;
    drop(events);
    assert_eq!(manual.unfinished(), 1, "the one that was heard of");
    assert_eq!(manual.poll(unheard, T0), Err(Stale));
    let _late = manual.finish(only_start(heard.actions()), T0, &Completion::ok(), 0).unwrap();
    assert_eq!(manual.unfinished(), 0);
    let metrics = engine.metrics();
    let stops = metrics.lines().filter(|line| line.starts_with("rego_call_stops_total"));
    assert_eq!(
        stops.collect::<Vec<_>>(),
        [r#"rego_call_stops_total{key="svc.Get",stop="shutdown"} 2"#]
    );
}

#[test]
fn a_start_that_was_given_up_before_it_was_heard_of_is_none() {
    for polled in [true, false] {
        let mut host = Host::new(policy());
        let site = host.engine.site("svc.Get");
        let call = host.events.begin_later(&site, Begin::new(T0).cookie(7));
        host.manual.cancel(call).unwrap();
        if polled {
            assert!(host.manual.poll(call, T0).unwrap().elsewhere());
        }
        let actions = host.process(T0);
        assert!(
            matches!(actions[..], [Action::Done { cookie: 7, verdict: Verdict::Cancelled, .. }]),
            "{actions:?}"
        );
        assert_eq!(host.manual.unfinished(), 0);
    }
}

#[test]
fn other_threads_can_watch_the_deadline() {
    let mut host = Host::new(policy());
    let watch = host.events.watch();
    assert!(watch.next_deadline().is_never());
    let site = host.engine.site("svc.Get");
    host.events.begin_later(&site, Begin::new(T0));
    assert_eq!(watch.next_deadline(), Nanos::ZERO);
    let attempt = only_start(host.process(T0));
    assert_eq!(watch.next_deadline(), host.events.next_deadline());
    host.finish(attempt, T0, Completion::ok());
    assert_eq!(watch.next_deadline(), Nanos::ZERO);
    drop(host);
    assert!(watch.next_deadline().is_never());
}

/// It belongs to no loop; it was begun by one, which tells what became of it all the same.
#[test]
fn a_plain_start_that_was_given_up_is_told_as_the_end_of_its_call() {
    let engine = Engine::builder().ignore_environment().max_flights(1).build().unwrap();
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    let _there = manual.begin(&site, Begin::new(T0));
    let mut events = manual.event_loop(|| {});
    let call = events.begin_later(&site, Begin::new(T0).cookie(7));
    assert!(call.is_pass_through());
    manual.cancel(call).unwrap();
    let actions: Vec<_> = iter::from_fn(|| events.process(T0)).collect();
    let [Action::Done { call: done, cookie: 7, verdict: Verdict::Cancelled, .. }] = actions[..]
    else {
        panic!("done, not {actions:?}")
    };
    assert_eq!((done, manual.unfinished()), (call, 1));
}
