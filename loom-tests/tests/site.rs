//! `site/counters`: a reason has one place, and nothing is counted twice or lost.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::{sync::Arc, thread};
use loom_tests::explore;
use rego::{ManualClock, Policy, Reason, rooms::drive::Stage};

#[test]
fn a_reason_has_one_place() {
    explore("site: two count reasons that are new, one looks", || {
        let stage = Arc::new(Stage::new(Policy::default(), 1, ManualClock::new()));
        stage.count_failure(Reason::Http(500));
        let counting = [503, 504].map(|status| {
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
        assert_eq!(met.len(), 3, "each has a place: {met:?}");
        for status in [500, 503, 504] {
            met.retain(|known| *known != (Some(Reason::Http(status)), 1));
        }
        assert_eq!(met, [], "each once");
    });
}
