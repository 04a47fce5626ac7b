//! `site/counters`: a reason has one place, and nothing is counted twice or lost.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::{sync::Arc, thread};
use loom_tests::explore;
use rego::{ManualClock, Policy, Reason, rooms::drive::Stage};

#[test]
fn a_reason_has_one_place() {
    explore("site: two count a reason that is new, one looks", || {
        let stage = Arc::new(Stage::new(Policy::default(), 1, ManualClock::new()));
        stage.count_failure(Reason::Http(500));
        let counting = [503, 503].map(|status| {
            let stage = Arc::clone(&stage);
            thread::spawn(move || stage.count_failure(Reason::Http(status)))
        });
        let looking = {
            let stage = Arc::clone(&stage);
            thread::spawn(move || stage.reasons())
        };
        counting.into_iter().for_each(|thread| thread.join().unwrap());
        let seen = looking.join().unwrap();
        let mut met = stage.reasons();
        for (reason, count) in seen {
            assert!(met.iter().any(|(known, total)| *known == reason && *total >= count));
        }
        met.sort_by_key(|(_, count)| *count);
        let expected = [(Some(Reason::Http(500)), 1), (Some(Reason::Http(503)), 2)];
        assert_eq!(met, expected, "each once");
    });
}
