//! A budget that several sites name: each reports when it comes to it, and tells of its own.

use proptest::prelude::*;

use super::*;

/// What a call paid in or got, a report, a change of the rules.
#[derive(Clone, Debug)]
enum Event {
    Answers { site: usize, count: u64 },
    Report { site: usize },
    Draw { most: usize },
    Redefine { percent: u32 },
    Pass { millis: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..6usize, 1..400u64).prop_map(|(site, count)| Event::Answers { site, count }),
        4 => (0..6usize).prop_map(|site| Event::Report { site }),
        2 => (1..200usize).prop_map(|most| Event::Draw { most }),
        1 => (1..=100u32).prop_map(|percent| Event::Redefine { percent }),
        2 => (1..8_000u64).prop_map(|millis| Event::Pass { millis }),
    ]
}

/// A site: since when it has not reported, and how many answers.
#[derive(Clone, Copy)]
struct Unreported {
    since: Nanos,
    count: u64,
}

/// What was granted, and what was there for it: both in attempts.
fn play(events: &[Event]) -> (f64, f64) {
    let mut percent = 10;
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    let (mut now, mut paid, mut granted) = (ZERO, 5.0, 0);
    let mut sites = [Unreported { since: ZERO, count: 0 }; 6];
    for event in events {
        match *event {
            Event::Answers { site, count } => {
                (0..count).for_each(|nth| budget.deposit(Shard::new(site + nth as usize % 3)));
                sites[site].count += count;
                paid += f64::from(percent) / 100.0 * count as f64;
            }
            Event::Report { site } => {
                let Unreported { since, count } = sites[site];
                budget.refresh(report(since, count), now);
                sites[site] = Unreported { since: now, count: 0 };
            }
            Event::Draw { most } => granted += (0..most).filter(|_| pay(&budget, now)).count(),
            Event::Redefine { percent: other } => {
                percent = other;
                let definition = ratio(f64::from(percent) / 100.0, 0.0, Funding::Successes);
                assert!(budget.reconfigure(&definition, now));
            }
            Event::Pass { millis } => now = now + Nanos::from_millis(millis),
        }
        assert!(granted as f64 <= budget.bound(now) && budget.bound(now) <= paid + 0.01);
    }
    (granted as f64, paid)
}

proptest! {
    #[test]
    fn it_never_grants_more_than_all_of_them_have_paid(
        events in prop::collection::vec(event(), 1..200),
    ) {
        let (granted, paid) = play(&events);
        prop_assert!(granted <= paid + 0.01, "{granted} of {paid}");
    }
}

/// Deposits that met a full purse are not made good out of those of others.
#[test]
fn what_others_have_paid_in_is_not_taken_for_turned_away() {
    let mut events = Vec::new();
    for round in 0..40u64 {
        for site in 0..6 {
            events.push(Event::Answers { site, count: 50 });
            events.push(Event::Draw { most: 20 });
        }
        events.extend([Event::Pass { millis: 500 }, Event::Report { site: round as usize % 6 }]);
    }
    let (granted, paid) = play(&events);
    assert!(granted <= paid && granted > paid * 0.95, "{granted} of {paid}");
}

#[test]
fn a_site_that_had_another_budget_has_nothing_made_good() {
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    drain(&budget, 5);
    budget.refresh(Report { moved: true, ..report(ZERO, 1_000) }, Nanos::from_secs(1));
    assert_eq!(drain(&budget, 100), 0);
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    drain(&budget, 5);
    budget.refresh(report(ZERO, 1_000), Nanos::from_secs(1));
    assert_eq!(drain(&budget, 100), 95, "it was answered before, as far as the budget can tell");
}
