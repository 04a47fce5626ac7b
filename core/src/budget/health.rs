//! Whether most of a site's recent first attempts succeed, asked when a floor is to grant; and
//! whether anything does, asked before what successes paid in is spent.
//!
//! Two flags that are read, counts that only go up, and the totals of the last judgement behind a
//! lock, for the refresh alone. All of it is Relaxed: none publishes anything.

use crate::{
    clock::Nanos,
    sync::{AtomicBool, AtomicU64, Mutex, Ordering},
};

/// How many first attempts a judgement rests on at least …
const AT_LEAST: u64 = 20;

/// … or these, if none succeeded and it is so long ago that they would be more at a busy site. A
/// fleet of clients that call once a second would else go on for twenty seconds each.
const NONE_OF: u64 = 3;
const QUIET: Nanos = Nanos::from_secs(1);

/// A site is silent when nothing was answered for a second after a failure, and this many first
/// attempts failed: each of a fleet's processes may find that out with two calls' retries, and not
/// with all that it has saved up.
const UNANSWERED: u64 = 2;

/// How a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// More than half of the recent first attempts succeeded.
    Well,
    /// No more than half did.
    Unwell,
    /// Nothing has been answered for a second or longer, though it was tried.
    Silent,
}

/// Whether more than half of a site's recent first attempts succeeded.
///
/// Success costs nothing: the site derives its first-attempt successes from its latency histogram
/// when it refreshes, and hands their total in; failures are counted here, on their cold path. Both
/// are of the same moment. (Successes as of the last refresh beside failures of now would find a
/// busy site ill after any handful of failures.)
///
/// *Recent* are the first attempts since the last judgement, as soon as they are 20, or a second
/// has passed and 3 failed and none succeeded; until then that judgement stands, and a new site is
/// healthy.
///
/// *Silent* is judged apart: since any attempt was last answered two first attempts or more failed,
/// and the first of those, or the one beside the last answer, is a second ago.
#[derive(Debug)]
pub struct Health {
    healthy: AtomicBool,
    silent: AtomicBool,
    failures: AtomicU64,
    /// Answers that are no successes, of any attempt.
    answers: AtomicU64,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The totals at the last judgement, and when that was.
    last: (Totals, Nanos),
    /// The totals when it was last seen that something had been answered; any attempt counts.
    alive: Totals,
    /// When it was first seen that something failed, and nothing was answered after that.
    failing: Option<Nanos>,
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
            silent: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            memory: Mutex::new(Memory::default()),
        }
    }

    /// A first attempt failed.
    pub fn failed(&self) {
        // Relaxed: a count; nothing is published by it.
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// The server answered an attempt, though not with a success.
    pub fn answered(&self) {
        // Relaxed: a count; nothing is published by it.
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many first attempts ever failed.
    pub fn failures(&self) -> u64 {
        // Relaxed: a count.
        self.failures.load(Ordering::Relaxed)
    }

    /// How it is, as of the last judgement.
    pub fn condition(&self) -> Condition {
        // Relaxed, both: the newest judgement this thread knows of.
        match (self.silent.load(Ordering::Relaxed), self.healthy.load(Ordering::Relaxed)) {
            (true, _) => Condition::Silent,
            (false, true) => Condition::Well,
            (false, false) => Condition::Unwell,
        }
    }

    /// Takes in how many first attempts ever succeeded, and how many attempts of any kind, as of
    /// `at`.
    pub fn judge(&self, first: u64, any: u64, at: Nanos) {
        let mut memory = self.memory.lock();
        let failures = self.failures();
        // Relaxed: a count.
        let answered = any.saturating_add(self.answers.load(Ordering::Relaxed));
        self.judge_silence(&mut memory, Totals { successes: answered, failures }, at);
        let (last, judged) = memory.last;
        let now = Totals { successes: first, failures };
        // A total that is behind the last one was counted before it: nothing new.
        let succeeded = now.successes.saturating_sub(last.successes);
        let failed = now.failures.saturating_sub(last.failures);
        let none = succeeded == 0 && failed >= NONE_OF && at >= judged + QUIET;
        if succeeded.saturating_add(failed) < AT_LEAST && !none {
            return;
        }
        // Relaxed: it stands alone.
        self.healthy.store(succeeded > failed, Ordering::Relaxed);
        memory.last = (now, at);
    }

    fn judge_silence(&self, memory: &mut Memory, now: Totals, at: Nanos) {
        let failed = now.failures.saturating_sub(memory.alive.failures);
        let answered = now.successes > memory.alive.successes;
        if answered {
            memory.alive = now;
            memory.failing = None;
        }
        if failed > 0 {
            // Whoever looks does so because an attempt failed: that is the latest news.
            memory.failing.get_or_insert(at);
        }
        let silent = !answered
            && failed >= UNANSWERED
            && memory.failing.is_some_and(|since| at >= since + QUIET);
        // Relaxed: it stands alone.
        self.silent.store(silent, Ordering::Relaxed);
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
        health.judge(successes, successes, Nanos::ZERO);
        is_healthy(health)
    }

    fn is_healthy(health: &Health) -> bool {
        health.healthy.load(Ordering::Relaxed)
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
    fn a_site_that_is_called_seldom_is_unwell_after_three_failures_and_no_success() {
        let judged = |health: &Health, successes, millis| {
            health.judge(successes, successes, Nanos::from_millis(millis));
            is_healthy(health)
        };
        let health = Health::new();
        assert!(judged(&health, 30, 5_000));
        fail(&health, 3);
        assert!(judged(&health, 30, 5_990), "no second has passed");
        assert!(!judged(&health, 30, 6_000));
        let other = Health::new();
        fail(&other, 3);
        assert!(judged(&other, 1, 7_000), "one of four succeeded: too few to say");
    }

    #[test]
    fn a_site_is_silent_a_second_after_it_began_to_fail() {
        let health = Health::new();
        let is_silent = |any, millis| {
            health.judge(0, any, Nanos::from_millis(millis));
            health.condition() == Condition::Silent
        };
        fail(&health, 1);
        assert!(!is_silent(7, 10));
        fail(&health, 2);
        assert!(!is_silent(7, 1_009), "no second has passed");
        assert!(is_silent(7, 1_010));
        assert!(!is_silent(8, 1_020), "a retry got through");
        // After a rest two fail at once: nobody has tried for a second.
        assert!(!is_silent(9, 2_000));
        fail(&health, 2);
        assert!(!is_silent(9, 9_000));
        assert!(is_silent(9, 10_000));
        health.answered();
        assert!(!is_silent(9, 11_000), "an answer is no silence, whatever it says");
        fail(&health, 1);
        assert!(!is_silent(9, 20_000), "one failure is none");
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
        assert!(is_healthy(&health), "nothing is known yet of what succeeded meanwhile");
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
