//! A hundred clients that get in each other's way: backoff with and without jitter.

use std::{cmp::Reverse, collections::BinaryHeap};

use rego::{
    CallSite, Completion, Engine, Jitter, ManualClock, Nanos, Policy,
    manual::{Action, AttemptRef, Begin, Loop, Manual},
};

use super::{Effort, Findings, Mean, Study, per_seed};
use crate::{
    ScenarioError,
    draw::{Draw, Purpose},
};

pub(super) const H10: Study = Study {
    id: "H10",
    title: "100 clients write one row under optimistic locking: writes and time until all are through",
    published: "AWS architecture blog, Exponential Backoff and Jitter (2015), its simulator: full \
                jitter 799 calls and 5.0 s, exponential alone 1,848 calls and 62.9 s",
    run: h10,
};

const CLIENTS: usize = 100;
/// One seed is one row and a matter of luck: so many of them make a mean.
const ROUNDS: u64 = 20;

fn h10(effort: &Effort) -> Result<Findings, ScenarioError> {
    let mut findings = Findings::default();
    for (name, jitter, writes, seconds) in
        [("full jitter", Jitter::Full, 799.0, 5.0), ("no jitter", Jitter::None, 1_848.0, 62.9)]
    {
        let found = per_seed(effort, |seed| Ok(rounds(jitter, seed)))?;
        let figures: [(&str, f64, Vec<f64>); 2] = [
            ("writes", writes, found.iter().map(|one| one.0).collect()),
            ("seconds", seconds, found.iter().map(|one| one.1).collect()),
        ];
        for (what, published, values) in figures {
            let mean = Mean::of(&values);
            let off = Mean {
                mean: (mean.mean / published - 1.0).abs(),
                noise: mean.noise.map(|noise| noise / published),
            };
            findings.at_most(format!("{name}: {what} off {published} by a part of"), off, 0.05);
            findings.note(format!("{name}: {mean:.1} {what}, published {published}"));
        }
    }
    Ok(findings)
}

/// The means of some rounds.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn rounds(jitter: Jitter, seed: u64) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for round in 0..ROUNDS {
        let (writes, end) = Row::new(jitter, seed * ROUNDS + round).run();
        sums.0 += f64::from(writes);
        sums.1 += end.as_secs_f64();
    }
    (sums.0 / ROUNDS as f64, sums.1 / ROUNDS as f64)
}

/// The row, its clients, and the engine that says when they try again.
struct Row {
    manual: Manual,
    events: Loop,
    /// The first ten attempts of a client, and those after: a policy has no more than ten, so a
    /// client that is not through by then goes on with another call, at the longest backoff.
    sites: [CallSite; 2],
    attempts: Vec<Option<AttemptRef>>,
    waiting: BinaryHeap<Reverse<(Nanos, u64, usize, Message)>>,
    sent: u64,
    version: u64,
    writes: u32,
    network: Draw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Read,
    Version(u64),
    Write(u64),
    Written(bool),
    Again,
}

impl Row {
    fn new(jitter: Jitter, seed: u64) -> Self {
        let ms = std::time::Duration::from_millis;
        let backoff = |initial| {
            Policy::exponential(ms(initial), ms(2_000))
                .jitter(jitter)
                .max_attempts(10)
                .no_overall_timeout()
                .retry_budget("unlimited")
                .classifier("always")
                .build()
                .expect("every value is in its range")
        };
        let engine = Engine::builder()
            .clock(ManualClock::new())
            .seed(seed)
            .ignore_environment()
            // 5 ms doubled before the first wait.
            .policy("row.first", backoff(10))
            .policy("row.later", backoff(2_000))
            .build()
            .expect("both keys are well-formed");
        let manual = engine.manual();
        Self {
            events: manual.event_loop(|| {}),
            manual,
            sites: [engine.site("row.first"), engine.site("row.later")],
            attempts: vec![None; CLIENTS],
            waiting: BinaryHeap::new(),
            sent: 0,
            version: 0,
            writes: 0,
            network: Draw::at(seed, Purpose::Service, 0, 0, 0),
        }
    }

    /// How many writes it took, and how long.
    fn run(mut self) -> (u32, Nanos) {
        let mut end = Nanos::ZERO;
        for client in 0..CLIENTS {
            self.begin(0, client, Nanos::ZERO);
        }
        loop {
            let next = self.waiting.peek().map_or(Nanos::NEVER, |message| message.0.0);
            let woken = self.events.next_deadline();
            if next.is_never() && woken.is_never() {
                return (self.writes, end);
            }
            if woken <= next {
                self.process(woken.max(end));
                continue;
            }
            let Some(Reverse((now, _, client, message))) = self.waiting.pop() else { continue };
            end = now;
            self.hear(now, client, message);
        }
    }

    fn hear(&mut self, now: Nanos, client: usize, message: Message) {
        match message {
            Message::Read => self.send(now, client, Message::Version(self.version)),
            Message::Version(version) => self.send(now, client, Message::Write(version)),
            Message::Write(version) => {
                self.writes += 1;
                let good = version == self.version;
                self.version += u64::from(good);
                self.send(now, client, Message::Written(good));
            }
            Message::Written(good) => {
                let facts = if good { Completion::ok() } else { Completion::app(1) };
                let attempt = self.attempts[client].take().expect("it waits for this");
                let step = self.manual.finish(attempt, now, &facts, 0).expect("it runs");
                debug_assert!(step.elsewhere(), "the loop hears of it");
                self.process(now);
            }
            Message::Again => self.begin(1, client, now),
        }
    }

    fn begin(&mut self, site: usize, client: usize, now: Nanos) {
        let begin = Begin::new(now).cookie(client as u64);
        let (_, step) = self.events.begin(&self.sites[site], begin);
        for action in step.actions() {
            self.act(now, action);
        }
    }

    fn process(&mut self, now: Nanos) {
        while let Some(action) = self.events.process(now) {
            self.act(now, action);
        }
    }

    fn act(&mut self, now: Nanos, action: Action) {
        let client = usize::try_from(action.cookie()).expect("it was one");
        match action {
            Action::Start { attempt, .. } => {
                self.attempts[client] = Some(attempt);
                self.send(now, client, Message::Read);
            }
            Action::Done { verdict, .. } if !verdict.is_success() => {
                // Between two calls it waits as it would have within one.
                let longest = Nanos::from_secs(2);
                let wait = match self.sites[1].policy().jitter() {
                    Jitter::None => longest,
                    _ => longest.mul_f64(self.network.unit()),
                };
                self.post(now + wait, client, Message::Again);
            }
            _ => {}
        }
    }

    /// The network takes 10 ± 2 ms.
    fn send(&mut self, now: Nanos, client: usize, message: Message) {
        let millis = (10.0 + 2.0 * self.network.normal()).abs();
        self.post(now + Nanos::from_millis(1).mul_f64(millis), client, message);
    }

    fn post(&mut self, at: Nanos, client: usize, message: Message) {
        self.sent += 1;
        self.waiting.push(Reverse((at, self.sent, client, message)));
    }
}
