use proptest::prelude::*;

use super::*;
use crate::sync::{Arc, AtomicBool};

const START: u64 = 5 * TOKEN;

/// The same rules under one lock, in the obvious way.
#[derive(Debug)]
struct Twin {
    central: u64,
    ceiling: u64,
    cells: [u64; SHARDS],
    discarded: u64,
}

impl Twin {
    fn new(initial: u64, ceiling: u64) -> Self {
        Self { central: initial, ceiling, cells: [0; SHARDS], discarded: 0 }
    }

    fn deposit(&mut self, shard: Shard, tokens: u64) -> u64 {
        if self.central >= self.ceiling {
            return 0;
        }
        let cell = shard.index();
        self.cells[cell] += tokens;
        if self.cells[cell] >= (self.ceiling / 8 / SHARDS as u64).max(TOKEN) {
            self.empty(cell);
        }
        tokens
    }

    fn withdraw(&mut self, tokens: u64) -> bool {
        if self.central < tokens {
            (0..SHARDS).for_each(|cell| self.empty(cell));
        }
        let enough = self.central >= tokens;
        if enough {
            self.central -= tokens;
        }
        enough
    }

    fn empty(&mut self, cell: usize) {
        let held = std::mem::take(&mut self.cells[cell]);
        self.credit_from(held);
    }

    fn credit_from(&mut self, tokens: u64) {
        let room = self.ceiling.saturating_sub(self.central);
        self.central += tokens.min(room);
        self.discarded += tokens.saturating_sub(room);
    }

    fn set_ceiling(&mut self, ceiling: u64) {
        self.ceiling = ceiling;
        self.discarded += self.central.saturating_sub(ceiling);
        self.central = self.central.min(ceiling);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Deposit { shard: usize, tokens: u64, times: u32 },
    Withdraw { cost: u64 },
    Credit { tokens: u64 },
    Ceiling { tokens: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..SHARDS, 1..=TOKEN, 1_u32..30)
            .prop_map(|(shard, tokens, times)| Step::Deposit { shard, tokens, times }),
        4 => prop_oneof![Just(1), 1_u64..=1_000].prop_map(|cost| Step::Withdraw { cost }),
        1 => (0..20 * TOKEN).prop_map(|tokens| Step::Credit { tokens }),
        1 => prop_oneof![Just(0), 0..200 * TOKEN].prop_map(|tokens| Step::Ceiling { tokens }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn it_decides_as_its_twin_and_loses_nothing(script in prop::collection::vec(step(), 1..200)) {
        let purse = Striped::new(START, START, true);
        let mut twin = Twin::new(START, START);
        let (mut deposited, mut spent) = (0, 0);
        for step in script {
            match step {
                Step::Deposit { shard, tokens, times } => for _ in 0..times {
                    purse.deposit(Shard::new(shard), tokens);
                    deposited += twin.deposit(Shard::new(shard), tokens);
                },
                Step::Withdraw { cost } => {
                    let granted = purse.withdraw(cost * TOKEN);
                    prop_assert_eq!(granted, twin.withdraw(cost * TOKEN));
                    spent += if granted { cost * TOKEN } else { 0 };
                }
                Step::Credit { tokens } => {
                    purse.credit(tokens);
                    twin.credit_from(tokens);
                    deposited += tokens;
                }
                Step::Ceiling { tokens } => {
                    purse.set_ceiling(tokens);
                    twin.set_ceiling(tokens);
                }
            }
            prop_assert!(spent <= purse.issued_at_most());
            prop_assert!(purse.issued_at_most() <= START + deposited);
            // Equality: each token is in one place.
            let discarded = purse.discarded.load(Ordering::Relaxed);
            prop_assert_eq!(discarded, twin.discarded);
            prop_assert_eq!(purse.balance() + spent + discarded, START + deposited);
        }
    }
}

#[test]
fn it_is_only_read_at_the_ceiling() {
    let purse = Striped::new(START, START, true);
    (0..1_000).for_each(|_| purse.deposit(Shard::new(0), TOKEN));
    assert_eq!(purse.balance(), START);
    assert_eq!(purse.cells[0].load(Ordering::Relaxed), 0);
}

#[test]
fn a_withdrawal_finds_what_lies_in_the_cells() {
    let purse = Striped::new(0, 100 * TOKEN, true);
    for shard in 0..SHARDS {
        purse.deposit(Shard::new(shard), TOKEN / 2);
    }
    assert_eq!(purse.central.load(Ordering::Relaxed), 0);
    assert!(purse.withdraw(SHARDS as u64 * TOKEN / 2));
    assert!(!purse.withdraw(1));
}

#[test]
fn without_cells_only_credit_pays() {
    let purse = Striped::new(0, 10 * TOKEN, false);
    purse.deposit(Shard::new(0), 5 * TOKEN);
    assert_eq!(purse.balance(), 0);
    purse.credit(50 * TOKEN);
    assert_eq!(purse.balance(), 10 * TOKEN);
    assert_eq!(purse.issued_at_most(), 10 * TOKEN);
}

#[test]
fn amounts_beyond_all_sense_do_not_wrap() {
    let purse = Striped::new(0, u64::MAX, true);
    purse.deposit(Shard::new(0), u64::MAX);
    purse.deposit(Shard::new(1), u64::MAX);
    assert!(purse.withdraw(u64::MAX));
    assert!(!purse.withdraw(1));
}

/// What the stress below can be run on.
trait Purse: Send + Sync + 'static {
    fn deposit(&self, shard: Shard, tokens: u64);
    fn withdraw(&self, tokens: u64) -> bool;
}

impl Purse for Striped {
    fn deposit(&self, shard: Shard, tokens: u64) {
        Self::deposit(self, shard, tokens);
    }

    fn withdraw(&self, tokens: u64) -> bool {
        Self::withdraw(self, tokens)
    }
}

/// The well-known mistake: look, then act.
struct CheckThenAct(AtomicU64);

impl Purse for CheckThenAct {
    fn deposit(&self, _: Shard, tokens: u64) {
        self.0.fetch_add(tokens, Ordering::AcqRel);
    }

    fn withdraw(&self, tokens: u64) -> bool {
        let enough = self.0.load(Ordering::Acquire) >= tokens;
        if enough {
            // The scheduler may do this to anyone.
            std::thread::yield_now();
            self.0.fetch_sub(tokens, Ordering::AcqRel);
        }
        enough
    }
}

/// What one thread of the stress has done: issued is counted after, deposited before the fact.
#[derive(Default)]
struct Book {
    issued: AtomicU64,
    deposited: AtomicU64,
}

/// Deposits and withdraws from `threads` threads while another audits; the books and whether every
/// audit held, `issued ≤ initial + deposited` and what `audit` says of what was issued.
fn stress<P: Purse>(
    purse: &Arc<P>,
    initial: u64,
    operations: u64,
    audit: impl Fn(&P, u64) -> bool,
) -> (u64, u64, bool) {
    const THREADS: usize = 3;
    let books: Arc<[Book; THREADS]> = Arc::new(Default::default());
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (purse, books, stop) = (Arc::clone(purse), Arc::clone(&books), Arc::clone(&stop));
            std::thread::spawn(move || {
                let book = &books[thread];
                for operation in 0..operations {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    if operation % 4 == thread as u64 % 4 {
                        book.deposited.fetch_add(TOKEN, Ordering::AcqRel);
                        purse.deposit(Shard::new(thread), TOKEN);
                    } else if purse.withdraw(TOKEN) {
                        book.issued.fetch_add(TOKEN, Ordering::AcqRel);
                    }
                }
            })
        })
        .collect();
    let sum = |word: fn(&Book) -> &AtomicU64| -> u64 {
        books.iter().map(|book| word(book).load(Ordering::Acquire)).sum()
    };
    let mut held = true;
    loop {
        let done = threads.iter().all(std::thread::JoinHandle::is_finished);
        let issued = sum(|book| &book.issued);
        held &= audit(purse, issued) && issued <= initial + sum(|book| &book.deposited);
        if done || !held {
            break;
        }
        std::hint::spin_loop();
    }
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("the stress does not panic");
    }
    (sum(|book| &book.issued), sum(|book| &book.deposited), held)
}

fn stress_striped(operations: u64) {
    // A ceiling that is never reached, one that always is, and no room at all.
    for ceiling in [u64::MAX / 2, START, TOKEN, 0] {
        let initial = START.min(ceiling);
        let purse = Arc::new(Striped::new(initial, ceiling, true));
        let audit = |purse: &Striped, issued| issued <= purse.issued_at_most();
        let (issued, deposited, held) = stress(&purse, initial, operations, audit);
        assert!(held, "an audit found {issued} issued");
        let rest = purse.balance() + purse.discarded.load(Ordering::Relaxed);
        if ceiling > START {
            assert_eq!(issued + rest, initial + deposited, "equality at rest");
        } else {
            assert!(issued + rest <= initial + deposited, "some were not paid in, at the ceiling");
        }
        let credited = purse.credited.load(Ordering::Relaxed);
        let in_cells = purse.balance() - purse.central.load(Ordering::Relaxed);
        assert_eq!(issued + rest, initial + credited + in_cells, "equality of what was paid in");
        while purse.withdraw(TOKEN) {}
        assert!(purse.balance() < TOKEN, "nothing is stranded in a cell");
    }
}

#[test]
fn threads_never_draw_more_than_was_paid_in() {
    let full = std::env::var("REGO_STRESS").is_ok_and(|value| value == "full");
    stress_striped(if full { 100_000_000 } else { 300_000 });
}

/// The negative control: the same stress finds the mistake where it is made.
#[test]
fn the_stress_catches_check_then_act() {
    let purse = Arc::new(CheckThenAct(AtomicU64::new(START)));
    let (_, _, held) = stress(&purse, START, 50_000_000, |_, _| true);
    assert!(!held, "the audit must have seen more issued than there was");
}
