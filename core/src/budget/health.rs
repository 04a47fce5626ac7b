//! Whether most of a site's recent first attempts succeed; asked when a floor is to grant.

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};

/// How many first attempts a judgement rests on at least.
const AT_LEAST: u64 = 20;

/// Whether more than half of a site's recent first attempts succeeded.
///
/// Success costs nothing: the site derives its first-attempt successes from its latency histogram
/// when it refreshes, and hands their total in; failures are counted here, on their cold path. Both
/// are of the same moment. (Successes as of the last refresh beside failures of now would find a
/// busy site ill after any handful of failures.)
///
/// *Recent* are the first attempts since the last judgement, as soon as they are 20; until then
/// that judgement stands, and a new site is healthy.
#[derive(Debug)]
pub struct Health {
    healthy: AtomicBool,
    failures: AtomicU64,
    /// The totals at the last judgement.
    last: Mutex<Totals>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    successes: u64,
    failures: u64,
}

impl Health {
    /// A healthy site without any attempts.
    pub fn new() -> Self {
        Self {
            healthy: AtomicBool::new(true),
            failures: AtomicU64::new(0),
            last: Mutex::new(Totals::default()),
        }
    }

    /// A first attempt failed.
    pub fn failed(&self) {
        // Relaxed: a count; nothing is published by it.
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How many first attempts ever failed.
    pub fn failures(&self) -> u64 {
        // Relaxed: a count.
        self.failures.load(Ordering::Relaxed)
    }

    /// Whether more than half of the recent first attempts succeeded, as of the last judgement.
    pub fn is_healthy(&self) -> bool {
        // Relaxed: the newest judgement this thread knows of.
        self.healthy.load(Ordering::Relaxed)
    }

    /// Takes in how many first attempts ever succeeded, as of now.
    pub fn judge(&self, successes: u64) {
        let mut last = self.last.lock();
        let now = Totals { successes, failures: self.failures() };
        // A total that is behind the last one was counted before it: nothing new.
        let succeeded = now.successes.saturating_sub(last.successes);
        let failed = now.failures.saturating_sub(last.failures);
        if succeeded.saturating_add(failed) < AT_LEAST {
            return;
        }
        // Relaxed: it stands alone.
        self.healthy.store(succeeded > failed, Ordering::Relaxed);
        *last = now;
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(health: &Health, times: usize) {
        (0..times).for_each(|_| health.failed());
    }

    fn judged(health: &Health, successes: u64) -> bool {
        health.judge(successes);
        health.is_healthy()
    }

    #[test]
    fn a_new_site_is_healthy_until_twenty_attempts_say_otherwise() {
        let health = Health::new();
        assert!(judged(&health, 0));
        fail(&health, 19);
        assert!(judged(&health, 0));
        fail(&health, 1);
        assert!(!judged(&health, 0));
    }

    #[test]
    fn exactly_half_is_not_more_than_half() {
        let health = Health::new();
        fail(&health, 10);
        assert!(!judged(&health, 10));
        fail(&health, 10);
        assert!(judged(&health, 21));
    }

    #[test]
    fn a_long_healthy_past_does_not_hide_an_outage() {
        let health = Health::new();
        assert!(judged(&health, 1_000_000));
        fail(&health, 20);
        assert!(!judged(&health, 1_000_005));
    }

    #[test]
    fn it_recovers_with_the_backend() {
        let health = Health::new();
        fail(&health, 1_000);
        assert!(!judged(&health, 0));
        assert!(!judged(&health, 19), "too few to say");
        assert!(judged(&health, 20));
    }

    #[test]
    fn failures_between_two_judgements_wait_for_the_successes_beside_them() {
        let health = Health::new();
        assert!(judged(&health, 1_000));
        fail(&health, 30);
        assert!(health.is_healthy(), "nothing is known yet of what succeeded meanwhile");
        assert!(judged(&health, 2_000));
    }

    #[test]
    fn a_total_that_goes_back_changes_nothing() {
        let health = Health::new();
        fail(&health, 20);
        assert!(!judged(&health, 5));
        fail(&health, 19);
        assert!(!judged(&health, 0));
    }
}
