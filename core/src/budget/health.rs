//! Whether most of a site's recent first attempts succeed; asked when a floor is to grant.

use crate::{
    clock::Nanos,
    sync::{AtomicBool, AtomicU64, Mutex, Ordering},
};

/// How often at most the successes are counted.
const EVERY: Nanos = Nanos::from_millis(10);

/// How many first attempts a judgement rests on at least …
const AT_LEAST: u64 = 20;

/// … or these, if none succeeded and it is so long ago that they would be more at a busy site. A
/// fleet of clients that call once a second would else go on for twenty seconds each.
const NONE_OF: u64 = 3;
const QUIET: Nanos = Nanos::from_secs(1);

/// Whether more than half of a site's recent first attempts succeeded.
///
/// Success costs nothing: the site counts its first-attempt successes anyway (in its latency
/// histogram), and hands the total in when it is asked for; failures are counted here, on their
/// cold path.
///
/// *Recent* are the first attempts since the last judgement, as soon as they are 20, or a second
/// has passed and 3 failed and none succeeded; until then that judgement stands, and a new site is
/// healthy. Totals are taken once per 10 ms at most.
#[derive(Debug)]
pub struct Health {
    healthy: AtomicBool,
    /// When the totals may be taken again (ns).
    next: AtomicU64,
    failures: AtomicU64,
    /// The totals at the last judgement, and when that was.
    last: Mutex<(Totals, Nanos)>,
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
            next: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            last: Mutex::new((Totals::default(), Nanos::ZERO)),
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

    /// Whether more than half of the recent first attempts succeeded. `successes` gives the site's
    /// total of first-attempt successes, and is called now and then only.
    pub fn is_healthy(&self, now: Nanos, successes: impl FnOnce() -> u64) -> bool {
        // Relaxed: a stale time only means that the CAS fails.
        let next = self.next.load(Ordering::Relaxed);
        let claimed = now.as_nanos() >= next
            // Relaxed, both: it elects one thread; what that one writes is under the lock.
            && self
                .next
                .compare_exchange(next, (now + EVERY).as_nanos(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if claimed {
            self.judge(now, successes);
        }
        // Relaxed: the newest judgement this thread knows of.
        self.healthy.load(Ordering::Relaxed)
    }

    #[cold]
    fn judge(&self, at: Nanos, successes: impl FnOnce() -> u64) {
        let mut guard = self.last.lock();
        let (last, judged) = *guard;
        let now = Totals { successes: successes(), failures: self.failures() };
        // A total that is behind the last one was counted before it: nothing new.
        let succeeded = now.successes.saturating_sub(last.successes);
        let failed = now.failures.saturating_sub(last.failures);
        let silent = succeeded == 0 && failed >= NONE_OF && at >= judged + QUIET;
        if succeeded.saturating_add(failed) < AT_LEAST && !silent {
            return;
        }
        // Relaxed: it stands alone.
        self.healthy.store(succeeded > failed, Ordering::Relaxed);
        *guard = (now, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Nanos {
        Nanos::from_millis(millis)
    }

    fn fail(health: &Health, times: usize) {
        (0..times).for_each(|_| health.failed());
    }

    #[test]
    fn a_new_site_is_healthy_until_twenty_attempts_say_otherwise() {
        let health = Health::new();
        assert!(health.is_healthy(at(0), || 0));
        fail(&health, 19);
        assert!(health.is_healthy(at(10), || 0));
        fail(&health, 1);
        assert!(!health.is_healthy(at(20), || 0));
    }

    #[test]
    fn a_site_that_is_called_seldom_is_unwell_after_three_failures_and_no_success() {
        let health = Health::new();
        assert!(health.is_healthy(at(5_000), || 30), "judged at 5 s");
        fail(&health, 3);
        assert!(health.is_healthy(at(5_990), || 30), "no second has passed");
        assert!(!health.is_healthy(at(6_000), || 30));
        fail(&health, 3);
        assert!(!health.is_healthy(at(7_100), || 31));
        let other = Health::new();
        fail(&other, 3);
        assert!(other.is_healthy(at(7_000), || 1), "one of four succeeded: too few to say");
    }

    #[test]
    fn exactly_half_is_not_more_than_half() {
        let health = Health::new();
        fail(&health, 10);
        assert!(!health.is_healthy(at(0), || 10));
        fail(&health, 10);
        assert!(health.is_healthy(at(10), || 21));
    }

    #[test]
    fn a_long_healthy_past_does_not_hide_an_outage() {
        let health = Health::new();
        assert!(health.is_healthy(at(0), || 1_000_000));
        fail(&health, 20);
        assert!(!health.is_healthy(at(10), || 1_000_005));
    }

    #[test]
    fn it_recovers_with_the_backend() {
        let health = Health::new();
        fail(&health, 1_000);
        assert!(!health.is_healthy(at(0), || 0));
        assert!(!health.is_healthy(at(10), || 19), "too few to say");
        assert!(health.is_healthy(at(20), || 20));
    }

    #[test]
    fn the_successes_are_counted_once_in_ten_milliseconds() {
        let health = Health::new();
        let mut counted = 0;
        for micros in 0..100_000 {
            health.is_healthy(Nanos::from_micros(micros), || {
                counted += 1;
                0
            });
        }
        assert_eq!(counted, 10);
    }

    #[test]
    fn a_clock_or_a_total_that_goes_back_changes_nothing() {
        let health = Health::new();
        fail(&health, 20);
        assert!(!health.is_healthy(at(1_000), || 5));
        assert!(!health.is_healthy(at(1), || panic!("the totals are not due")));
        fail(&health, 19);
        assert!(!health.is_healthy(at(1_010), || 0));
    }
}
