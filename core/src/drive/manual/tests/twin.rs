//! The driver against the bare machine: whatever happens in whatever order, one thread gets the
//! same steps from both.

use proptest::prelude::*;

use super::*;
use crate::{
    call::{self, Call, With},
    notes::{AttemptSet, Notes},
    outcome::Class,
    site::Terms,
};

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// The nth of the attempts that have not ended.
    Finish(usize, Outcome),
    Reject(usize),
    Queued(usize),
    Started(usize),
    Cancel,
    Time,
    /// When the last step said to come.
    Wake,
}

/// What one event led to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    starts: Vec<(u32, Nanos)>,
    cancels: Vec<u32>,
    done: Option<(Verdict, Option<u32>, u32)>,
    wake: Nanos,
}

/// The machine, fed by hand.
struct Direct {
    yard: Yard,
    terms: Arc<Terms>,
    rules: Rules,
    notes: Notes,
    call: Call,
    now: Nanos,
    given_up: AttemptSet,
    started: AttemptSet,
    told: Told,
    over: bool,
}

impl Direct {
    fn begin(policy: Policy, now: Nanos, deadline: Nanos) -> Self {
        let yard = Yard::new(policy);
        let terms = yard.site.shared_terms();
        let rules = Rules { idempotent: terms.policy.idempotent, retries: true, no_hedging: None };
        let mut notes = Notes::new();
        let seed = Seeds::fixed(SEED).next();
        let (call, step) =
            Call::start(&mut with(&yard, &terms, rules, &mut notes), now, deadline, seed);
        let told = Told { wake: Nanos::NEVER, ..Told::default() };
        let (given_up, started) = (AttemptSet::EMPTY, AttemptSet::EMPTY);
        let mut direct =
            Self { yard, terms, rules, notes, call, now, given_up, started, told, over: false };
        direct.settle(step);
        direct
    }

    fn happen(&mut self, event: impl FnOnce(&mut Call, &mut With<'_>) -> call::Step) {
        let step = self.event(event);
        self.settle(step);
    }

    fn event(&mut self, event: impl FnOnce(&mut Call, &mut With<'_>) -> call::Step) -> call::Step {
        let mut with = with(&self.yard, &self.terms, self.rules, &mut self.notes);
        let step = event(&mut self.call, &mut with);
        self.told.cancels.extend(with.abandoned.map(|attempt| u32::from(attempt.get())));
        // The drivers keep these gauges, and the machine reads them.
        for attempt in with.abandoned {
            self.given_up.insert(attempt);
            self.yard.site.abandon();
        }
        step
    }

    fn end(
        &mut self,
        attempt: AttemptId,
        event: impl FnOnce(&mut Call, &mut With<'_>) -> call::Step,
    ) {
        if self.given_up.remove(attempt) {
            self.yard.site.abandoned_ended();
        }
        self.happen(event);
    }

    fn settle(&mut self, step: call::Step) {
        self.follow(step);
        if !self.over && self.told.wake <= self.now {
            let now = self.now;
            let step = self.event(|call, with| call.on_time(with, now));
            self.follow(step);
        }
    }

    fn follow(&mut self, mut step: call::Step) {
        loop {
            match step {
                call::Step::Launch(launch) => {
                    self.told.starts.push((launch.attempt.get().into(), launch.deadline));
                    let now = self.now;
                    step = self.event(|call, with| call.on_time(with, now));
                }
                call::Step::Wait(until) => return self.told.wake = until,
                call::Step::Done(verdict) => {
                    let answer = self.call.answer().map(|answer| answer.get().into());
                    self.told.done = Some((verdict, answer, self.call.attempts().into()));
                    self.told.wake = Nanos::NEVER;
                    return self.over = true;
                }
                call::Step::Over => return,
            }
        }
    }

    fn take(&mut self) -> Told {
        let wake = self.told.wake;
        std::mem::replace(&mut self.told, Told { wake, ..Told::default() })
    }
}

fn with<'a>(yard: &'a Yard, terms: &'a Terms, rules: Rules, notes: &'a mut Notes) -> With<'a> {
    With {
        site: &yard.site,
        terms,
        started: Nanos::ZERO,
        rules,
        shard: Shard::current(),
        notes,
        facts: None,
        abandoned: AttemptSet::EMPTY,
    }
}

/// The driver, asked by a host of one thread.
struct Driven {
    manual: Manual,
    yard: Yard,
    call: CallId,
    /// By number.
    refs: Vec<AttemptRef>,
    told: Told,
}

impl Driven {
    fn begin(policy: Policy, now: Nanos, deadline: Nanos) -> Self {
        let (manual, yard) = (manual(1), Yard::new(policy));
        let (call, step) = manual.begin_at(&yard.site, Begin::new(now).deadline(deadline));
        let mut driven = Self { manual, yard, call, refs: Vec::new(), told: Told::default() };
        driven.hear(step, now);
        driven
    }

    fn hear(&mut self, mut step: Step, now: Nanos) {
        loop {
            for action in step.actions() {
                self.obey(action);
            }
            if !step.more() {
                return self.told.wake = step.wake_at;
            }
            step = self.manual.poll(self.call, now).expect("there is more");
        }
    }

    fn obey(&mut self, action: Action) {
        assert_eq!(self.told.done, None, "nothing follows the end");
        match action {
            Action::Start { attempt, number, deadline, .. } => {
                assert_eq!(number as usize, self.refs.len(), "in launch order");
                self.refs.push(attempt);
                self.told.starts.push((number, deadline));
            }
            Action::Cancel { attempt, .. } => {
                let number = self.number(attempt);
                assert!(self.manual.is_cancelled(attempt));
                self.told.cancels.push(number);
            }
            Action::Done { verdict, answer, result, attempts, .. } => {
                let answer = answer.map(|answer| self.number(answer));
                assert_eq!(result, answer.map_or(0, u64::from), "the answer's own cookie");
                self.told.done = Some((verdict, answer, attempts));
            }
        }
    }

    fn number(&self, attempt: AttemptRef) -> u32 {
        self.refs.iter().position(|known| *known == attempt).expect("started before") as u32
    }

    fn forget(&mut self) {
        self.told = Told { wake: self.told.wake, ..Told::default() };
    }
}

fn happenings() -> impl Strategy<Value = Happening> {
    let outcome = prop_oneof![
        2 => Just(Outcome::success()),
        6 => Just(Outcome::retryable(Class::Transient)),
        1 => Just(Outcome::retryable(Class::Throttled).backoff(ms(30))),
        1 => Just(Outcome::non_retryable(Class::Server)),
        1 => Just(Outcome::abort()),
    ];
    let which = 0..12usize;
    prop_oneof![
        8 => (which.clone(), outcome).prop_map(|(which, outcome)| Happening::Finish(which, outcome)),
        1 => which.clone().prop_map(Happening::Reject),
        2 => which.clone().prop_map(Happening::Queued),
        2 => which.prop_map(Happening::Started),
        1 => Just(Happening::Cancel),
        6 => Just(Happening::Time),
        8 => Just(Happening::Wake),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    (1..=3u8, 0..=3u8, any::<bool>(), prop::option::of(5u64..60), any::<bool>()).prop_map(
        |(max_attempts, hedges, cancel_on_first_terminal, timeout, jitter)| {
            let mut policy = hedging();
            policy.retry.max_attempts = max_attempts;
            policy.retry.attempt_timeout = timeout.map_or(Nanos::NEVER, ms);
            policy.retry.jitter = if jitter { Jitter::Full } else { Jitter::None };
            policy.hedge.enabled = hedges > 0;
            policy.hedge.max_hedges = hedges.max(1);
            policy.hedge.cancel_on_first_terminal = cancel_on_first_terminal;
            policy
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_driver_says_what_the_machine_says(
        policy in policies(),
        deadline in prop_oneof![1 => 0u64..20, 6 => 50u64..2_000],
        script in prop::collection::vec((happenings(), -5i64..30), 0..40),
    ) {
        let (start, deadline) = (ms(10), ms(deadline));
        let mut direct = Direct::begin(policy.clone(), start, deadline);
        let mut driven = Driven::begin(policy, start, deadline);
        prop_assert_eq!(direct.take(), driven.told.clone());
        let mut ended = vec![false; 64];
        let mut now = start;
        for (happening, by) in script {
            if direct.over {
                break;
            }
            let came = match happening {
                Happening::Wake if !driven.told.wake.is_never() => driven.told.wake,
                _ => Nanos::from_nanos(now.as_nanos().saturating_add_signed(by * 1_000_000)),
            };
            now = now.max(came);
            driven.forget();
            run(&mut direct, &mut driven, &mut ended, happening, came);
            let mut expected = direct.take();
            expected.cancels.sort_unstable();
            driven.told.cancels.sort_unstable();
            prop_assert_eq!(&expected, &driven.told);
        }
        // Whatever still runs is finished, and nothing is left.
        if !direct.over {
            driven.forget();
            driven.manual.cancel(driven.call).expect("it is live");
            let step = driven.manual.poll(driven.call, now).expect("it is live");
            driven.hear(step, now);
        }
        for (number, attempt) in driven.refs.iter().enumerate() {
            if !ended[number] {
                let late = driven.manual.finish(*attempt, now, &Completion::ok(), 0);
                prop_assert_eq!(late, Ok(Step::NOTHING));
            }
        }
        driven.yard.assert_quiet();
        assert_empty(&driven.manual);
    }
}

fn run(
    direct: &mut Direct,
    driven: &mut Driven,
    ended: &mut [bool],
    happening: Happening,
    came: Nanos,
) {
    let open: Vec<usize> = (0..driven.refs.len()).filter(|number| !ended[*number]).collect();
    let of_an_attempt = !matches!(happening, Happening::Time | Happening::Wake | Happening::Cancel);
    if of_an_attempt && open.is_empty() {
        return;
    }
    direct.now = direct.now.max(came);
    let now = direct.now;
    let pick = |which: usize| {
        let number = open[which % open.len()];
        (number, AttemptId::new(number as u8), driven.refs[number])
    };
    let step = match happening {
        Happening::Time | Happening::Wake => {
            direct.happen(|call, with| call.on_time(with, now));
            driven.manual.poll(driven.call, came)
        }
        Happening::Cancel => {
            direct.happen(|call, with| call.on_cancel(with, now));
            driven.manual.cancel(driven.call).expect("it is live");
            driven.manual.poll(driven.call, came)
        }
        Happening::Finish(which, outcome) => {
            let (number, id, attempt) = pick(which);
            ended[number] = true;
            direct.end(id, |call, with| call.on_outcome(with, id, outcome, came));
            driven.manual.finish_as(attempt, came, outcome, number as u64)
        }
        Happening::Reject(which) => {
            let (number, id, attempt) = pick(which);
            ended[number] = true;
            direct.end(id, |call, with| call.on_rejected(with, id, came));
            driven.manual.reject(attempt, came)
        }
        Happening::Queued(which) => {
            let (_, id, attempt) = pick(which);
            let started = direct.started.contains(id);
            direct.happen(|call, with| {
                if !started {
                    call.on_queued(id);
                }
                call.on_time(with, now)
            });
            driven.manual.queued(attempt, came)
        }
        Happening::Started(which) => {
            let (_, id, attempt) = pick(which);
            direct.started.insert(id);
            direct.happen(|call, with| {
                call.on_started(id, now);
                call.on_time(with, now)
            });
            driven.manual.started(attempt, came)
        }
    };
    driven.hear(step.expect("it is live"), came);
}
