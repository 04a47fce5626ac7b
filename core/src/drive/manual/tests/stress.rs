//! Threads that finish, poll, cancel and end whatever ids they can get hold of, old and forged
//! ones too.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU8, AtomicU64},
    thread,
};

use super::*;

const THREADS: u64 = 3;
const OPERATIONS: u64 = if cfg!(debug_assertions) { 100_000 } else { 500_000 };
const CELLS: usize = 64;

/// What all threads know: ids that were seen lately, and who is done how often.
struct Board {
    manual: Manual,
    yard: Yard,
    attempts: [AtomicU64; CELLS],
    calls: [AtomicU64; CELLS],
    done: Vec<AtomicU8>,
    begun: AtomicU64,
    time: AtomicU64,
    passed_through: AtomicU64,
}

struct Player<'a> {
    board: &'a Board,
    state: u64,
    /// Attempts that were pushed off the board: this player's to finish.
    mine: Vec<AttemptRef>,
    kept: Vec<CallId>,
    /// Calls it has begun and not seen to the end.
    begun: VecDeque<CallId>,
}

impl Board {
    fn new() -> Self {
        let mut policy = hedging();
        policy.retry.attempt_timeout = ms(3);
        policy.retry.initial_backoff = Nanos::from_micros(50);
        policy.retry.max_backoff = Nanos::from_micros(200);
        policy.retry.overall_timeout = ms(20);
        policy.hedge.delay = Nanos::from_micros(500);
        policy.hedge.max_hedges = 2;
        let cells = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            // Few slots, so that ids come round soon and some calls pass through.
            manual: manual(600),
            yard: Yard::new(policy),
            attempts: cells(),
            calls: cells(),
            done: (0..THREADS * OPERATIONS).map(|_| AtomicU8::new(0)).collect(),
            begun: AtomicU64::new(0),
            time: AtomicU64::new(ms(1).as_nanos()),
            passed_through: AtomicU64::new(0),
        }
    }

    fn now(&self) -> Nanos {
        Nanos::from_nanos(self.time.fetch_add(700, Ordering::Relaxed))
    }
}

impl<'a> Player<'a> {
    fn new(board: &'a Board, state: u64) -> Self {
        Self { board, state, mine: Vec::new(), kept: Vec::new(), begun: VecDeque::new() }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % below
    }

    fn cell(&mut self) -> usize {
        self.random(CELLS as u64) as usize
    }

    fn play(&mut self) {
        for _ in 0..OPERATIONS {
            self.move_once();
            while self.mine.len() > 100 {
                self.finish_mine();
            }
        }
    }

    fn move_once(&mut self) {
        let board = self.board;
        let cell = self.cell();
        match self.random(20) {
            0..=4 => self.begin(),
            5..=9 => {
                let bits = board.attempts[cell].swap(0, Ordering::Relaxed);
                self.finish(AttemptRef::from_bits(bits));
            }
            10 => self.finish_mine(),
            // Somebody else will finish it, too, or has.
            11 | 12 => {
                let bits = board.attempts[cell].load(Ordering::Relaxed);
                self.finish(AttemptRef::from_bits(bits));
            }
            13 => {
                let bits = board.attempts[cell].load(Ordering::Relaxed) ^ 1 << self.random(64);
                self.finish(AttemptRef::from_bits(bits));
            }
            14 => {
                let attempt = AttemptRef::from_bits(board.attempts[cell].load(Ordering::Relaxed));
                let _either = board.manual.is_cancelled(attempt);
                let now = board.now();
                let said = match self.random(2) {
                    0 => board.manual.queued(attempt, now),
                    _ => board.manual.started(attempt, now),
                };
                self.obey_if_live(said);
            }
            kind => self.move_call(kind, cell),
        }
    }

    fn move_call(&mut self, kind: u64, cell: usize) {
        let board = self.board;
        let call = CallId::from_bits(board.calls[cell].load(Ordering::Relaxed));
        match kind {
            15 => {
                let _ = board.manual.cancel(call);
            }
            16 => {
                let _ = board.manual.timeline(call);
            }
            17 => {
                let forged = CallId::from_bits(call.to_bits() ^ 1 << self.random(64));
                // A guessed id that is somebody's kept call is let go in their stead.
                let said = board.manual.poll(forged, board.now());
                self.obey_if_live(said);
            }
            18 if !self.kept.is_empty() => {
                let nth = self.random(self.kept.len() as u64) as usize;
                let call = self.kept.swap_remove(nth);
                assert_eq!(
                    board.manual.timeline(call).map(|told| told.call.key).as_deref(),
                    Some("svc.Get")
                );
                assert_eq!(board.manual.end(call), Ok(()));
                assert_eq!(board.manual.end(call), Err(Stale));
            }
            _ => {
                let said = board.manual.poll(call, board.now());
                self.obey_if_live(said);
            }
        }
    }

    fn begin(&mut self) {
        let board = self.board;
        let nth = board.begun.fetch_add(1, Ordering::Relaxed);
        let mut begin = Begin::new(board.now()).cookie(nth);
        begin.keep = self.random(8) == 0;
        let (call, step) = board.manual.begin_at(&board.yard.site, begin);
        if call.is_pass_through() {
            board.passed_through.fetch_add(1, Ordering::Relaxed);
            board.done[nth as usize].store(1, Ordering::Relaxed);
        }
        board.calls[self.cell()].store(call.to_bits(), Ordering::Relaxed);
        self.obey(step);
        self.begun.push_back(call);
        while self.begun.len() > 60 {
            self.take_back();
        }
    }

    /// Takes back the oldest call that may still be in the air.
    fn take_back(&mut self) {
        let Some(call) = self.begun.pop_front() else { return };
        if self.board.manual.cancel(call).is_ok() {
            let said = self.board.manual.poll(call, self.board.now());
            self.obey_if_live(said);
        }
    }

    fn finish_mine(&mut self) {
        if let Some(attempt) = self.mine.pop() {
            self.finish(attempt);
        }
    }

    fn finish(&mut self, attempt: AttemptRef) {
        let board = self.board;
        let now = board.now();
        let said = match self.random(6) {
            0 => board.manual.reject(attempt, now),
            1 => board.manual.finish_as(attempt, now, Outcome::abort(), 0),
            2 | 3 => board.manual.finish(attempt, now, &Completion::ok(), 0),
            _ => board.manual.finish(attempt, now, &Completion::http(503), 0),
        };
        self.obey_if_live(said);
    }

    fn obey_if_live(&mut self, said: Result<Step, Stale>) {
        if let Ok(step) = said {
            self.obey(step);
        }
    }

    fn obey(&mut self, step: Step) {
        let board = self.board;
        for action in step.actions() {
            match action {
                Action::Start { attempt, .. } => {
                    let cell = &board.attempts[self.cell()];
                    let pushed_off = cell.swap(attempt.to_bits(), Ordering::Relaxed);
                    if pushed_off != 0 {
                        self.mine.push(AttemptRef::from_bits(pushed_off));
                    }
                }
                Action::Cancel { .. } => {}
                Action::Done { call, .. } if call.is_pass_through() => {}
                Action::Done { call, cookie, .. } => {
                    assert!(!step.more(), "nothing follows the end");
                    assert_eq!(board.done[cookie as usize].fetch_add(1, Ordering::Relaxed), 0);
                    if board.manual.timeline(call).is_some() {
                        self.kept.push(call);
                    }
                }
            }
        }
        if step.more() {
            let call = step.actions().next().expect("there was more than fits").call();
            let said = board.manual.poll(call, board.now());
            self.obey_if_live(said);
        }
    }
}

#[test]
fn whatever_the_hosts_threads_do_each_call_is_done_once_and_nothing_is_left() {
    let full = std::env::var("REGO_STRESS").is_ok_and(|value| value == "full");
    (0..if full { 40 } else { 1 }).for_each(play_with);
}

/// One game, of which `seed` decides every move, though not who moves first.
fn play_with(seed: u64) {
    let board = Board::new();
    thread::scope(|scope| {
        let players: Vec<_> = (1..=THREADS)
            .map(|player| {
                let board = &board;
                scope.spawn(move || {
                    let state = player << 40 | seed << 32 | 0x9e37_79b9;
                    let mut player = Player::new(board, state);
                    player.play();
                    (player.mine, player.kept)
                })
            })
            .collect();
        let left = players.into_iter().map(|player| player.join().expect("no panic"));
        let (mine, kept): (Vec<_>, Vec<_>) = left.unzip();
        clear_up(&board, mine.concat(), kept.concat());
    });
    let begun = board.begun.load(Ordering::Relaxed);
    for (call, done) in board.done.iter().take(begun as usize).enumerate() {
        assert_eq!(done.load(Ordering::Relaxed), 1, "call {call} of {begun}");
    }
    let passed_through = board.passed_through.load(Ordering::Relaxed);
    assert!(passed_through < begun / 2, "{passed_through} of {begun} found no room");
    assert_eq!(board.yard.site.counters.get(Counter::PassThrough), passed_through);
    board.yard.assert_quiet();
    assert_empty(&board.manual);
}

/// Polls every call to its end, finishes every attempt, lets go of all that is kept.
fn clear_up(board: &Board, mine: Vec<AttemptRef>, kept: Vec<CallId>) {
    let mut player = Player { mine, kept, ..Player::new(board, 5) };
    for _ in 0..4 {
        board.time.fetch_add(ms(50).as_nanos(), Ordering::Relaxed);
        for slot in 0..board.manual.0.slab.max() as u32 {
            poll_slot(&mut player, slot);
        }
        for cell in 0..CELLS {
            let bits = board.attempts[cell].swap(0, Ordering::Relaxed);
            player.finish(AttemptRef::from_bits(bits));
        }
        while !player.mine.is_empty() {
            player.finish_mine();
        }
    }
    for call in player.kept {
        assert_eq!(board.manual.end(call), Ok(()));
    }
}

/// Polls whatever call is in the slot.
fn poll_slot(player: &mut Player<'_>, index: u32) {
    let board = player.board;
    let Some(slot) = board.manual.0.slab.get(index) else { return };
    let generation = slot.flight.generation();
    let call = board.manual.0.seal.call(FlightId::new(index, generation));
    let said = board.manual.poll(call, board.now());
    player.obey_if_live(said);
}
