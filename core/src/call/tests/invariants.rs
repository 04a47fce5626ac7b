//! The invariants of `call.rs`, under any order of events: late, doubled, shuffled, and with time
//! that runs backwards.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Script {
    policy: Policy,
    retries: bool,
    deadline: u64,
    seed: u64,
    tokens: (u32, u32),
    events: Vec<(Happening, i64)>,
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    Outcome(u8, Outcome),
    Time,
    Cancel,
    Shutdown,
    Queued(u8),
    Started(u8),
    Rejected(u8),
}

fn happenings() -> impl Strategy<Value = Happening> {
    let attempt = prop_oneof![8 => 0..6u8, 1 => 0..45u8];
    let outcome = prop_oneof![
        2 => Just(Outcome::success()),
        8 => Just(transient()),
        1 => Just(transient().backoff(ms(30))),
        1 => Just(Outcome::non_retryable(Class::Server)),
        1 => Just(Outcome::abort()),
        1 => Just(panicked()),
    ];
    prop_oneof![
        10 => (attempt.clone(), outcome).prop_map(|(a, o)| Happening::Outcome(a, o)),
        12 => Just(Happening::Time),
        1 => Just(Happening::Cancel),
        1 => Just(Happening::Shutdown),
        2 => attempt.clone().prop_map(Happening::Queued),
        2 => attempt.clone().prop_map(Happening::Started),
        1 => attempt.prop_map(Happening::Rejected),
    ]
}

fn scripts() -> impl Strategy<Value = Script> {
    let policies = (1..=10u8, 0..=3u8, any::<bool>(), prop::option::of(5u64..60), 0..3u8).prop_map(
        |(max_attempts, hedges, cancel_on_first_terminal, timeout, mode)| {
            let mut policy = hedging();
            policy.retry.max_attempts = max_attempts;
            policy.retry.attempt_timeout = timeout.map_or(Nanos::NEVER, ms);
            policy.hedge.enabled = hedges > 0;
            policy.hedge.max_hedges = hedges.max(1);
            policy.hedge.cancel_on_first_terminal = cancel_on_first_terminal;
            // Mostly active: the other modes make short scripts.
            policy.mode = if mode == 0 { Mode::Observe } else { Mode::Active };
            policy
        },
    );
    (
        policies,
        prop::bool::weighted(0.9),
        prop_oneof![1 => 0u64..20, 6 => 50u64..2_000],
        any::<u64>(),
        (0..8u32, 0..8u32),
        prop::collection::vec((happenings(), -10i64..40), 0..40),
    )
        .prop_map(|(policy, retries, deadline, seed, tokens, events)| Script {
            policy,
            retries,
            deadline,
            seed,
            tokens,
            events,
        })
}

/// One run of a script, with everything asserted that can be seen from outside.
struct Watch {
    bench: Bench,
    deadline: Nanos,
    launched: u8,
    primaries: u64,
    queued_ever: bool,
    done: Option<Verdict>,
    given_up: AttemptSet,
    ended: AttemptSet,
    accepted: AttemptSet,
    steps: Vec<Step>,
}

impl Watch {
    fn run(script: &Script, monotone: bool) -> Self {
        let mut bench = Bench::with_tokens(script.policy.clone(), script.tokens.0, script.tokens.1);
        bench.rules.retries = script.retries;
        let deadline = ms(script.deadline);
        let step = bench.start(ms(1), deadline, script.seed);
        let mut watch = Self {
            bench,
            deadline,
            launched: 0,
            primaries: 0,
            queued_ever: false,
            done: None,
            given_up: AttemptSet::EMPTY,
            ended: AttemptSet::EMPTY,
            accepted: AttemptSet::EMPTY,
            steps: Vec::new(),
        };
        watch.check(step);
        let (mut clock, mut latest) = (1_000_000i64, 1_000_000i64);
        for (happening, by) in &script.events {
            // Queueing is no event in time: the machine is not told one.
            if !matches!(happening, Happening::Queued(_)) {
                clock = (clock + by * 1_000_000).max(0);
            }
            latest = latest.max(clock);
            let now = if monotone { latest } else { clock };
            watch.happen(*happening, Nanos::from_nanos(now.unsigned_abs()));
        }
        watch
    }

    fn happen(&mut self, happening: Happening, now: Nanos) {
        let step = match happening {
            Happening::Time => self.bench.time(now),
            Happening::Cancel => self.bench.cancel(now),
            Happening::Shutdown => self.bench.shutdown(now),
            Happening::Queued(attempt) => {
                self.queued_ever = true;
                return self.bench.queued(attempt);
            }
            Happening::Started(attempt) => return self.bench.started(attempt, now),
            Happening::Rejected(attempt) => {
                let step = self.bench.rejected(attempt, now);
                if attempt < self.launched {
                    self.ended.insert(AttemptId::new(attempt));
                }
                step
            }
            Happening::Outcome(attempt, outcome) => return self.end(attempt, outcome, now),
        };
        self.check(step);
    }

    fn end(&mut self, attempt: u8, outcome: Outcome, now: Nanos) {
        let id = AttemptId::new(attempt);
        let was_done = self.done.is_some();
        let fresh = attempt < self.launched && !self.ended.contains(id);
        let late = self.bench.site.counters.get(Counter::Late);
        let step = self.bench.outcome(attempt, outcome, now);
        if fresh {
            self.ended.insert(id);
            self.accepted.insert(id);
            let success = outcome.kind == OutcomeKind::Success;
            if success && !was_done {
                assert_eq!(step, Step::Done(Verdict::Success), "a success before Done wins");
                assert_eq!(self.bench.answer(), Some(attempt));
            }
            let given_up = self.given_up.contains(id) || was_done;
            let counted = self.bench.site.counters.get(Counter::Late) - late;
            assert_eq!(counted, u64::from(given_up), "a late result is counted once");
        } else {
            assert!(!matches!(step, Step::Launch(_)), "a doubled result launches nothing");
        }
        self.check(step);
    }

    fn check(&mut self, step: Step) {
        self.steps.push(step);
        for attempt in self.bench.abandoned {
            assert!(attempt.get() < self.launched, "only what was launched is asked to stop");
            assert!(!self.given_up.contains(attempt), "an attempt is asked to stop once");
            assert!(!self.ended.contains(attempt), "what has ended is not asked to stop");
            self.given_up.insert(attempt);
        }
        match step {
            Step::Launch(launch) => self.check_launch(launch),
            Step::Wait(until) => {
                assert!(self.done.is_none(), "no wait after Done");
                assert!(until <= self.deadline, "{until} is past the deadline");
            }
            Step::Done(verdict) => {
                assert_eq!(self.done, None, "one Done");
                self.done = Some(verdict);
                self.check_done();
            }
            Step::Over => assert!(self.done.is_some(), "over after Done only"),
        }
    }

    fn check_launch(&mut self, launch: Launch) {
        assert!(self.done.is_none(), "no launch after Done");
        assert_eq!(launch.attempt.get(), self.launched, "ids are dealt out in order");
        assert!(launch.deadline <= self.deadline);
        self.launched += 1;
        self.primaries += u64::from(launch.hedge_index == 0);
        let paid = grants(&self.bench.retry_budget) + grants(&self.bench.hedge_budget);
        assert_eq!(u64::from(self.launched) - 1, paid, "every extra attempt is paid for once");
        let policy = &self.bench.terms.policy;
        let alive = (0..self.launched)
            .map(AttemptId::new)
            .filter(|id| !self.ended.contains(*id) && !self.given_up.contains(*id))
            .count();
        let most = if policy.hedge.enabled { policy.hedge.max_hedges } else { 0 };
        assert!(alive <= 1 + usize::from(most), "{alive} attempts alive");
        assert!(launch.retry_index < policy.retry.max_attempts);
        if policy.mode != Mode::Active {
            assert_eq!(self.launched, 1, "one attempt unless active");
        }
    }

    fn check_done(&self) {
        let unaccounted = (0..self.launched)
            .map(AttemptId::new)
            .filter(|id| !self.ended.contains(*id) && !self.given_up.contains(*id))
            .count();
        assert_eq!(unaccounted, 0, "every attempt has ended or is asked to stop");
        let (events, censored) = self.bench.observed();
        assert!(events + censored <= self.primaries, "each primary leg is observed once");
        let rejected = self.ended.len() - self.accepted.len();
        if !self.queued_ever && rejected == 0 {
            assert_eq!(events + censored, self.primaries, "each primary leg is observed");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn the_invariants_hold_under_any_order_of_events(script in scripts()) {
        let watch = Watch::run(&script, false);
        // Time that runs backwards is time that stands still.
        prop_assert_eq!(watch.steps, Watch::run(&script, true).steps);
    }
}
