//! Studies in virtual time, with fixed seeds, named after what goes wrong elsewhere.

use super::super::*;
use crate::hedge::{self, Limits, Rule};

const LIMITS: Limits = Limits {
    fallback: Nanos::from_millis(200),
    min_delay: Nanos::from_micros(100),
    max_delay: Nanos::from_secs(10),
};

/// The most that a hedge budget saves up. With 10 it would cut the random bursts of a steady
/// service, 4.76 instead of 5 % and 0.956 instead of 1 %; with 40 it would let through too much of
/// a storm.
const HEDGES_SAVED: f64 = 20.0;

/// What becomes of a primary leg that was overtaken.
#[derive(Clone, Copy, PartialEq)]
enum Losers {
    /// Censored at its age, as it should be.
    Censored,
    /// Forgotten, as most libraries do.
    Dropped,
    /// Recorded as if it had ended then.
    Recorded,
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// In (0, 1].
    fn unit(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Lognormal with mean 5 and deviation 2 ms, one in twenty ten times slower; all of it
    /// stretched.
    fn service(&mut self, stretch: f64) -> Nanos {
        let variance = 1.16f64.ln();
        let normal = (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        let body = (5f64.ln() - variance / 2.0 + variance.sqrt() * normal).exp();
        let slow = if self.unit() <= 0.05 { 10.0 } else { 1.0 };
        Nanos::from_nanos((body * slow * stretch * 1e6) as u64)
    }
}

/// One site under a stream of calls, refreshed every `batch` of them.
struct Study {
    latency: Latency,
    rule: Rule,
    losers: Losers,
    random: Random,
    now: Nanos,
    batch: u64,
    calls: u64,
    hedges: u64,
    /// What the site's hedge budget gets for each call, and what is in it.
    funding: f64,
    balance: f64,
}

impl Study {
    fn new(rule: Rule, losers: Losers, seed: u64, batch: u64) -> Self {
        Self {
            latency: Latency::new(Sharding::One),
            rule,
            losers,
            random: Random(seed),
            now: Nanos::ZERO,
            batch,
            calls: 0,
            hedges: 0,
            funding: 1.0,
            balance: HEDGES_SAVED,
        }
    }

    /// The share of these calls that was hedged.
    fn run(&mut self, calls: u64, stretch: f64) -> f64 {
        let before = self.hedges;
        for _ in 0..calls {
            self.call(stretch);
            self.calls += 1;
            if self.calls.is_multiple_of(self.batch) {
                self.now = self.now + Nanos::from_millis(100);
                self.refresh();
            }
        }
        (self.hedges - before) as f64 / calls as f64
    }

    fn refresh(&self) {
        let mut plan = |reading: &Reading<'_>| hedge::plan(self.rule, LIMITS, reading.curve);
        self.latency.refresh(self.now, &mut plan).expect("nobody else refreshes");
    }

    fn call(&mut self, stretch: f64) {
        let shard = Shard::new(0);
        let trigger = self.latency.trigger();
        let primary = self.random.service(stretch);
        self.balance = (self.balance + self.funding).min(HEDGES_SAVED);
        if primary > trigger.delay()
            && trigger.probability().draw(self.random.word())
            && self.balance >= 1.0
        {
            self.balance -= 1.0;
            self.hedges += 1;
            let hedged = trigger.delay() + self.random.service(stretch);
            if hedged < primary {
                match self.losers {
                    Losers::Censored => self.latency.censor(shard, hedged),
                    Losers::Dropped => {}
                    Losers::Recorded => self.latency.record(shard, hedged),
                }
                return;
            }
        }
        self.latency.record(shard, primary);
    }
}

/// What was hedged must be what was promised, to within this part of it.
fn assert_near(delivered: f64, promised: f64, tolerance: f64) {
    let off = (delivered / promised - 1.0).abs();
    assert!(off <= tolerance, "{:.3} % instead of {:.3} %", delivered * 100.0, promised * 100.0);
}

#[test]
fn delivered_equals_configured_p95_and_p99() {
    const CALLS: u64 = 400_000;
    // From 200 to 200,000 calls per second.
    for batch in [20, 2_000, 20_000] {
        for (p, promised) in [(0.95, 0.05), (0.99, 0.01)] {
            let rule = Rule::Quantile { p };
            let steady = |losers, funding| {
                let mut study = Study::new(rule, losers, 1, batch);
                study.funding = funding;
                study.run(40_000, 1.0);
                study.run(CALLS, 1.0)
            };
            assert_near(steady(Losers::Censored, 1.0), promised, 0.05);
            // A budget of the same share leaves it alone.
            assert_near(steady(Losers::Censored, promised), promised, 0.05);
            // The control: twice the promise at p95, five times at p99.
            assert!(steady(Losers::Dropped, 1.0) > 1.8 * promised);
        }
    }
}

#[test]
fn delivered_load_equals_configured_load() {
    for x in [0.01, 0.05] {
        let mut study = Study::new(Rule::Load { x, objective: 0.99 }, Losers::Censored, 2, 2_000);
        study.run(40_000, 1.0);
        let delivered = study.run(400_000, 1.0);
        assert!(delivered <= x * 1.05, "{delivered} instead of {x}");
        // At 1 % the budget is spent; at 5 % a shorter delay would not help.
        assert!(delivered >= x * 0.8, "{delivered} instead of {x}");
    }
}

/// The share hedged in the first five windows of 20,000 calls after everything became three times
/// slower.
fn after_slow_down(losers: Losers, batch: u64, funding: f64) -> f64 {
    const SEEDS: u64 = 10;
    let delivered = (0..SEEDS).map(|seed| {
        let mut study = Study::new(Rule::Quantile { p: 0.99 }, losers, seed, batch);
        study.funding = funding;
        study.run(100_000, 1.0);
        study.run(100_000, 3.0)
    });
    delivered.sum::<f64>() / SEEDS as f64
}

#[test]
fn a_slow_down_does_not_cause_a_hedge_storm() {
    const UNLIMITED: f64 = 1.0;
    // With a budget of the same share there is no storm at any rate of calls, …
    for batch in [20, 200, 2_000, 20_000] {
        let delivered = after_slow_down(Losers::Censored, batch, 0.01);
        assert!((0.0095..=0.01).contains(&delivered), "{delivered}");
    }
    // … but it has nothing to do: up to 20,000 calls per second the change is seen in time.
    assert_near(after_slow_down(Losers::Censored, 20, UNLIMITED), 0.01, 0.05);
    assert_near(after_slow_down(Losers::Censored, 200, UNLIMITED), 0.01, 0.05);
    assert_near(after_slow_down(Losers::Censored, 2_000, UNLIMITED), 0.01, 0.1);
    // At 200,000 all of the first window passes before anybody can know: 4.8 % of it, then 1 %.
    assert!(after_slow_down(Losers::Censored, 20_000, UNLIMITED) < 0.018);
    // The controls go on for windows.
    assert!(after_slow_down(Losers::Recorded, 20_000, UNLIMITED) > 0.033);
    assert!(after_slow_down(Losers::Dropped, 20_000, UNLIMITED) > 0.05);
    assert!(after_slow_down(Losers::Dropped, 200, UNLIMITED) > 0.04);
}

#[test]
fn a_speed_up_does_not_end_hedging() {
    let mut study = Study::new(Rule::Quantile { p: 0.99 }, Losers::Censored, 3, 200);
    study.run(100_000, 3.0);
    // The old delay is never reached: it is forgotten within 4,000 calls.
    study.run(4_000, 1.0);
    assert_near(study.run(20_000, 1.0), 0.01, 0.2);
}

#[test]
fn warming_up_does_not_hedge_more_than_promised() {
    for p in [0.95, 0.99] {
        let hedges: f64 = (0..50)
            .map(|seed| {
                Study::new(Rule::Quantile { p }, Losers::Censored, seed, 20).run(2_000, 1.0)
            })
            .sum();
        assert!(hedges / 50.0 <= 1.0 - p, "{}", hedges / 50.0);
    }
}

#[test]
fn idle_keeps_the_last_estimate() {
    let mut study = Study::new(Rule::Quantile { p: 0.99 }, Losers::Censored, 4, 200);
    study.run(40_000, 1.0);
    let delay = study.latency.trigger().delay();
    let mut idle = |length: u64| {
        study.now = study.now + Nanos::from_secs(length);
        study.refresh();
        study.latency.trigger()
    };
    for _ in 0..10 {
        let kept = idle(60);
        assert!(!kept.is_cold() && !kept.is_warming());
        let moved = kept.delay().as_secs_f64() / delay.as_secs_f64();
        assert!((0.99..1.01).contains(&moved));
    }
    // After an hour there are too few for an estimate, after two there is none.
    assert!(idle(3_600).is_warming());
    assert!(idle(3_600).is_cold());
}
