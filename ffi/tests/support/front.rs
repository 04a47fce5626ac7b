//! A front of traces: lines in, lines out. See `tests/traces/README.md`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rego::{
    Class, Clock, Completion, CompletionKind, Document, Engine, Format, IoKind, Method, Nanos,
    Outcome, Pushback,
    manual::{Action, AttemptRef, Begin, CallId, Manual, Stale, Step},
};

const POLICIES: &str = include_str!("../traces/policies.toml");
const MADE_AT: u64 = 1_000_000_000;

/// An engine that is told lines.
#[derive(Debug)]
pub(crate) struct Front {
    engine: Engine,
    manual: Manual,
    told: Arc<AtomicU64>,
    calls: Vec<CallId>,
    attempts: BTreeMap<(usize, u32), AttemptRef>,
    /// What is still in the air, for those who draw.
    live: Vec<(usize, u32)>,
    done: Vec<usize>,
}

impl Front {
    pub(crate) fn new(seed: u64) -> Self {
        let told = Arc::new(AtomicU64::new(MADE_AT));
        let time = Arc::clone(&told);
        // Relaxed: a number, in one thread.
        let clock = Clock::host(move || Nanos::from_nanos(time.load(Ordering::Relaxed)));
        let engine =
            Engine::builder().clock(clock).seed(seed).build().expect("nothing is asked for");
        let policies = Document::parse(POLICIES, Format::Toml, "policies.toml");
        engine.load(&policies.expect("the policies are right")).expect("and fit together");
        let manual = engine.manual();
        let (calls, attempts, live) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { engine, manual, told, calls, attempts, live, done: Vec::new() }
    }

    /// What is answered to a line.
    pub(crate) fn tell(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["begin", call, key, now, deadline, idempotent] => {
                assert_eq!(number(call) as usize, self.calls.len(), "calls are numbered: {line}");
                let mut begin = Begin::new(self.now(now)).deadline(time(deadline));
                match *idempotent {
                    "0" => {}
                    said => begin = begin.idempotent(said == "1"),
                }
                let (id, step) = self.manual.begin(&self.engine.site(key), begin);
                self.calls.push(id);
                self.answer(Ok(step))
            }
            ["finish", attempt, now, facts @ ..] => {
                let (at, result) = (self.now(now), self.result(attempt));
                let step =
                    self.manual.finish(self.attempt(attempt), at, &completion(facts), result);
                self.left(attempt);
                self.answer(step)
            }
            ["finish_as", attempt, now, kind, failure, backoff] => {
                let (at, result) = (self.now(now), self.result(attempt));
                let outcome = outcome(number(kind), number(failure), number(backoff));
                let step = self.manual.finish_as(self.attempt(attempt), at, outcome, result);
                self.left(attempt);
                self.answer(step)
            }
            [what @ ("queued" | "started" | "reject"), attempt, now] => {
                let (at, id) = (self.now(now), self.attempt(attempt));
                let step = match *what {
                    "queued" => self.manual.queued(id, at),
                    "started" => self.manual.started(id, at),
                    _ => self.manual.reject(id, at),
                };
                self.answer(step)
            }
            ["poll", call, now] => {
                let at = self.now(now);
                let step = self.manual.poll(self.calls[number(call) as usize], at);
                self.answer(step)
            }
            ["cancel", call] => match self.manual.cancel(self.calls[number(call) as usize]) {
                Ok(()) => Vec::new(),
                Err(Stale) => vec![STALE.to_owned()],
            },
            _ => panic!("no such line: {line}"),
        }
    }

    fn now(&self, word: &str) -> Nanos {
        // Relaxed: a number, in one thread.
        self.told.fetch_max(number(word), Ordering::Relaxed);
        time(word)
    }

    fn attempt(&self, word: &str) -> AttemptRef {
        self.attempts[&place(word)]
    }

    fn result(&self, word: &str) -> u64 {
        u64::from(place(word).1) + 1
    }

    fn left(&mut self, word: &str) {
        self.live.retain(|live| *live != place(word));
    }

    fn answer(&mut self, step: Result<Step, Stale>) -> Vec<String> {
        let Ok(step) = step else { return vec![STALE.to_owned()] };
        let flags = u32::from(step.more()) | u32::from(step.elsewhere()) << 1;
        let mut answers = vec![format!("= {flags} {}", word(step.wake_at))];
        answers.extend(step.actions().map(|action| self.action(&action)));
        answers
    }

    fn action(&mut self, action: &Action) -> String {
        let call = self.calls.iter().rposition(|call| *call == action.call());
        let call = call.expect("a call that was begun");
        match *action {
            Action::Start { attempt, kind, number, retry_index, hedge_index, deadline, .. } => {
                self.attempts.insert((call, number), attempt);
                self.live.push((call, number));
                let (reason, deadline) = (kind as u32, word(deadline));
                format!("+ start {call}.{number} {reason} {retry_index} {hedge_index} {deadline}")
            }
            Action::Cancel { attempt, reason, .. } => {
                format!("+ cancel {} {}", self.name(attempt), reason as u32)
            }
            Action::Done { verdict, answer, result, attempts, retry_after, .. } => {
                self.done.push(call);
                let answer = answer.map_or("-".to_owned(), |attempt| self.name(attempt));
                let wait = retry_after.map_or(0, Nanos::as_nanos);
                format!("+ done {call} {} {answer} {attempts} {result} {wait}", verdict as u32)
            }
        }
    }

    fn name(&self, attempt: AttemptRef) -> String {
        let found = self.attempts.iter().find(|(_, known)| **known == attempt);
        let ((call, number), _) = found.expect("an attempt that was started");
        format!("{call}.{number}")
    }
}

const STALE: &str = "! -5";

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("no number: {word}"))
}

fn time(word: &str) -> Nanos {
    if word == "-" { Nanos::NEVER } else { Nanos::from_nanos(number(word)) }
}

fn word(time: Nanos) -> String {
    if time == Nanos::NEVER { "-".to_owned() } else { time.as_nanos().to_string() }
}

fn place(word: &str) -> (usize, u32) {
    let (call, attempt) = word.split_once('.').expect("call and attempt");
    (number(call) as usize, number(attempt) as u32)
}

fn completion(facts: &[&str]) -> Completion {
    let [kind, code, flags, method, wait] = facts else { panic!("five facts: {facts:?}") };
    let code: i32 = code.parse().expect("a code is a number");
    let mut facts = Completion::new(match number(kind) {
        0 => CompletionKind::Ok,
        1 => CompletionKind::Http { status: code.try_into().expect("a status") },
        2 => CompletionKind::Grpc(code.try_into().expect("a status")),
        3 => CompletionKind::Io(IoKind::ALL[usize::try_from(code).expect("a kind")]),
        4 => CompletionKind::Errno(code),
        5 => CompletionKind::App(code),
        6 => CompletionKind::Timeout,
        7 => CompletionKind::Cancelled,
        8 => CompletionKind::Panic,
        kind => panic!("no such kind: {kind}"),
    });
    use Method::{Delete, Get, Head, Options, Other, Patch, Post, Put, Trace};
    let methods = [Get, Head, Options, Trace, Put, Delete, Post, Patch, Other];
    facts.method = number(method).checked_sub(1).map(|at| methods[at as usize]);
    let flags = number(flags);
    facts.not_sent = flags & 1 != 0;
    facts.idempotency_key = flags & 2 != 0;
    facts.pushback = match number(wait) {
        _ if flags & 4 != 0 => Pushback::DoNotRetry,
        0 => Pushback::None,
        wait => Pushback::RetryAfter(Nanos::from_nanos(wait)),
    };
    facts
}

fn outcome(kind: u64, failure: u64, backoff: u64) -> Outcome {
    use Class::{NotSent, Server, Throttled, Timeout, Transient, Unknown};
    let class = [Unknown, Transient, Throttled, Timeout, NotSent, Server][failure as usize];
    let mut outcome = match kind {
        0 => Outcome::success(),
        1 => Outcome::retryable(class),
        2 => Outcome::non_retryable(class),
        _ => Outcome::abort(),
    };
    if kind != 0 {
        outcome.class = class;
    }
    if backoff != 0 {
        outcome = outcome.backoff(Nanos::from_nanos(backoff));
    }
    outcome
}

/// A script of so many events, drawn by a seed.
pub(crate) fn random(seed: u64, events: usize) -> String {
    const KEYS: [&str; 4] = ["trace.Plain", "trace.Jittered", "trace.Timed", "trace.Hedged"];
    const ENDS: [&str; 6] =
        ["0 0 0 0 0", "1 503 0 1 0", "1 429 0 1 3000000", "4 104 0 1 0", "6 0 0 7 0", "5 0 0 0 0"];
    let mut draws = Draws(seed);
    let mut front = Front::new(seed);
    let mut script = format!("seed {seed}\n");
    let mut now = MADE_AT;
    for _ in 0..events {
        now += draws.below(12_000_000);
        let open: Vec<usize> =
            (0..front.calls.len()).filter(|call| !front.done.contains(call)).collect();
        let attempt = front.live.get(draws.below(front.live.len() as u64) as usize).copied();
        let line = match (draws.below(20), attempt) {
            (0..4, _) if open.len() < 4 => {
                let key = KEYS[draws.below(4) as usize];
                let deadline = match draws.below(4) {
                    0 => (now + draws.below(80_000_000)).to_string(),
                    _ => "-".to_owned(),
                };
                format!("begin {} {key} {now} {deadline} 0", front.calls.len())
            }
            (4..9, Some((call, number))) => {
                format!("finish {call}.{number} {now} {}", ENDS[draws.below(6) as usize])
            }
            (9, Some((call, number))) => {
                let (kind, failure) = (1 + draws.below(3), draws.below(6));
                format!("finish_as {call}.{number} {now} {kind} {failure} 5000000")
            }
            (10, _) if !open.is_empty() => {
                format!("cancel {}", open[draws.below(open.len() as u64) as usize])
            }
            _ if !open.is_empty() => {
                format!("poll {} {now}", open[draws.below(open.len() as u64) as usize])
            }
            _ => continue,
        };
        front.tell(&line);
        script += &line;
        script.push('\n');
    }
    script
}

/// Numbers that look drawn (splitmix64).
struct Draws(u64);

impl Draws {
    /// Below `bound`; 0 if that is 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
