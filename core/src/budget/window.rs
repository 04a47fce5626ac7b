//! How many calls were answered within the last stretch of time.

use crate::clock::Nanos;

const SLOTS: u64 = 10;

/// A sliding count over ten slots: exact to a tenth of its length. Behind a lock, on cold paths.
#[derive(Debug)]
pub(super) struct Window {
    /// The length of a slot, at least 1 ns.
    slot: u64,
    /// The number, since the clock began, of the newest slot.
    newest: u64,
    counts: [u64; SLOTS as usize],
}

impl Window {
    pub(super) fn new(length: Nanos, now: Nanos) -> Self {
        let slot = length.as_nanos().div_ceil(SLOTS).max(1);
        Self { slot, newest: now.as_nanos() / slot, counts: [0; SLOTS as usize] }
    }

    /// Counts `answers` that came evenly between `since` and `now`; those that are too old by now
    /// drop out.
    pub(super) fn report(&mut self, since: Nanos, now: Nanos, answers: u64) {
        self.advance(now);
        // A clock that went back changes nothing: what it reports counts as of the newest slot.
        let end = now.as_nanos().max(self.newest.saturating_mul(self.slot));
        let start = since.as_nanos().min(end);
        let length = end - start;
        let oldest = self.newest.saturating_sub(SLOTS - 1);
        let mut counted = 0;
        for number in oldest.max(start / self.slot)..=self.newest {
            let from = number.saturating_mul(self.slot).max(start);
            let until = number.saturating_add(1).saturating_mul(self.slot).min(end);
            // Shares are differences of running totals, so that they add up to all of them.
            let before = share(answers, from - start, length);
            let share = share(answers, until.max(from) - start, length) - before;
            self.add(number, share);
            counted += share;
        }
        if length == 0 {
            self.add(self.newest, answers - counted);
        }
    }

    pub(super) fn length(&self) -> Nanos {
        Nanos::from_nanos(self.slot.saturating_mul(SLOTS))
    }

    /// The answers of the window that ends with the last report.
    pub(super) fn sum(&self) -> u64 {
        self.counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count))
    }

    /// Another length; what is known of the time it covers is kept.
    pub(super) fn resize(&mut self, length: Nanos, now: Nanos) {
        self.advance(now);
        let covered = Nanos::from_nanos(self.slot.saturating_mul(SLOTS));
        let kept = self.sum();
        *self = Self::new(length, now);
        self.report(now - covered, now, kept);
    }

    fn add(&mut self, number: u64, answers: u64) {
        let count = &mut self.counts[(number % SLOTS) as usize];
        *count = count.saturating_add(answers);
    }

    fn advance(&mut self, now: Nanos) {
        let number = now.as_nanos() / self.slot;
        let passed = number.saturating_sub(self.newest).min(SLOTS);
        for step in 1..=passed {
            self.counts[((self.newest + step) % SLOTS) as usize] = 0;
        }
        self.newest = self.newest.max(number);
    }
}

/// This part of `whole`'s share of `answers`, rounded down.
fn share(answers: u64, part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    // At most `answers`, as `part` is at most `whole`.
    (u128::from(answers) * u128::from(part) / u128::from(whole)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Nanos {
        Nanos::from_secs(n)
    }

    #[test]
    fn it_forgets_what_is_older_than_its_length() {
        let mut window = Window::new(secs(10), secs(100));
        window.report(secs(100), secs(101), 40);
        assert_eq!(window.sum(), 40);
        window.report(secs(101), secs(109), 0);
        assert_eq!(window.sum(), 40);
        window.report(secs(109), secs(110), 0);
        assert_eq!(window.sum(), 0, "the slot of second 100 is ten slots old");
    }

    #[test]
    fn a_long_silence_counts_for_its_last_stretch_alone() {
        let mut window = Window::new(secs(10), secs(0));
        window.report(secs(0), secs(3_600), 3_600_000);
        let sum = window.sum();
        assert!((9_000..=10_000).contains(&sum), "1,000 a second over ten: {sum}");
    }

    #[test]
    fn several_sites_add_up_and_nothing_is_lost_to_rounding() {
        let mut window = Window::new(secs(10), secs(0));
        let mut reported = 0;
        for (site, answers) in [7_u64, 13, 1, 0, 999].into_iter().enumerate() {
            window.report(Nanos::from_millis(site as u64 * 37), Nanos::from_millis(4_321), answers);
            reported += answers;
        }
        assert_eq!(window.sum(), reported);
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let mut window = Window::new(secs(10), secs(50));
        window.report(secs(50), secs(50), 5);
        window.report(secs(49), secs(40), 7);
        window.report(secs(60), secs(50), 11);
        assert_eq!(window.sum(), 23);
    }

    #[test]
    fn the_ends_of_time_are_survived() {
        let mut window = Window::new(Nanos::ZERO, Nanos::ZERO);
        window.report(Nanos::ZERO, Nanos::NEVER, u64::MAX);
        window.resize(Nanos::NEVER, Nanos::NEVER);
        window.report(Nanos::ZERO, Nanos::NEVER, 3);
        assert!(window.sum() >= 3);
    }

    #[test]
    fn another_length_keeps_what_it_covers() {
        let mut window = Window::new(secs(10), secs(100));
        window.report(secs(90), secs(100), 1_000);
        let before = window.sum();
        window.resize(secs(20), secs(100));
        assert_eq!(window.sum(), before);
        window.resize(secs(5), secs(100));
        let sum = window.sum();
        assert!((200..=300).contains(&sum), "a quarter of twenty seconds: {sum}");
    }
}
