//! The slow twin: a list, searched from end to end.

use proptest::prelude::*;

use super::*;

/// The slow twin: a list, searched from end to end.
#[derive(Default)]
struct Twin {
    now: Nanos,
    timers: Vec<(Nanos, u64)>,
    /// Whether any was cancelled, so that the wheel's next deadline may be a dead one's.
    dead: bool,
}

impl Twin {
    fn advance(&mut self, now: Nanos) -> Vec<u64> {
        self.now = self.now.max(now);
        let mut due: Vec<u64> = self
            .timers
            .extract_if(.., |(deadline, _)| *deadline <= self.now)
            .map(|t| t.1)
            .collect();
        due.sort_unstable();
        due
    }

    fn next(&self) -> Nanos {
        self.timers.iter().map(|timer| timer.0).min().unwrap_or(Nanos::NEVER)
    }

    fn cancel(&mut self, user: u64) -> bool {
        let before = self.timers.len();
        self.timers.retain(|timer| timer.1 != user);
        self.dead |= self.timers.len() < before;
        self.timers.len() < before
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arm { shard: usize, length: u64 },
    ArmPast,
    Cancel(prop::sample::Index),
    Clear(usize),
    Advance(u64),
    ToNext,
    Back,
}

/// Lengths of every size, a tick and a level included.
fn length() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..200_000_u64,
        (0..48_u32, 0..1_u64 << 16).prop_map(|(bit, rest)| (1_u64 << bit) + rest),
        (1..70_u64).prop_map(|ticks| ticks << TICK_BITS),
        (0..64_u32).prop_map(|bit| u64::MAX >> bit),
    ]
}

fn step(cancels: bool) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..SHARDS, length()).prop_map(|(shard, length)| Step::Arm { shard, length }),
        1 => Just(Step::ArmPast),
        4 * u32::from(cancels) => any::<prop::sample::Index>().prop_map(Step::Cancel),
        u32::from(cancels) => (0..SHARDS).prop_map(Step::Clear),
        2 => (0..46_u32, any::<u64>()).prop_map(|(bit, x)| Step::Advance(x & ((1 << bit) - 1))),
        2 => Just(Step::ToNext),
        1 => Just(Step::Back),
    ]
}

/// Does the same to both and compares all there is to see.
fn run(steps: &[Step]) {
    let (timers, mut twin) = (Timers::new(1_000), Twin::default());
    let mut ids = Vec::new();
    for step in steps {
        let mut now = None;
        match step {
            Step::Arm { .. } | Step::ArmPast => {
                let (shard, deadline) = match step {
                    Step::Arm { shard, length } => (*shard, twin.now + nanos(*length)),
                    _ => (0, twin.now - nanos(1)),
                };
                let user = ids.len() as u64;
                let earliest = twin.next() > deadline;
                let armed = timers.arm(Shard::new(shard), deadline, user).unwrap();
                assert!(armed.wake || !earliest || twin.dead, "an earlier one wakes");
                twin.timers.push((deadline, user));
                ids.push(armed.id);
            }
            Step::Cancel(which) if !ids.is_empty() => {
                let user = which.index(ids.len());
                assert_eq!(timers.cancel(ids[user]), twin.cancel(user as u64));
            }
            Step::Cancel(_) => {}
            Step::Clear(shard) => {
                assert!(
                    !timers.clear_anyhow(Shard::new(*shard)),
                    "no driver to be woken: none came"
                );
            }
            Step::Advance(length) => now = Some(twin.now + nanos(*length)),
            Step::ToNext => now = Some(timers.next_deadline()),
            Step::Back => now = Some(twin.now - nanos(100_000)),
        }
        if let Some(now) = now {
            let (mut users, next) = fired(&timers, now);
            users.sort_unstable();
            assert_eq!(users, twin.advance(now), "all that is due and nothing else");
            timers.check();
            assert_eq!(next, timers.next_deadline());
        }
        let (next, exact) = (timers.next_deadline(), twin.next());
        assert!(next <= exact, "never late");
        assert!(next == exact || twin.dead, "and exact if none is dead: {next:?} {exact:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    #[test]
    fn it_does_what_a_list_does(steps in prop::collection::vec(step(true), 1..60)) {
        run(&steps);
    }

    #[test]
    fn the_next_deadline_is_exact_while_none_is_cancelled(
        steps in prop::collection::vec(step(false), 1..60)
    ) {
        run(&steps);
    }
}
