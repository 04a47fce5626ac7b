//! `flight`: every result is driven once, by a thread that sees all that was done before.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use loom_tests::explore;
use rego::rooms::flight::{
    Arrival, Cancel, Drive, Exit, Flight, Generation, Hold, News, SEATS, Stale, Ticket,
};

/// A call of a toy engine that is over when `goal` results have been seen. loom notices if two
/// threads touch a payload or the machine without an edge between them.
struct Toy {
    flight: Flight,
    payload: [UnsafeCell<u32>; SEATS],
    machine: UnsafeCell<Machine>,
    freed: AtomicU32,
    late: AtomicU32,
}

#[derive(Clone, Default)]
struct Machine {
    goal: u32,
    /// The payloads that were seen, in order.
    seen: Vec<u32>,
    cancelled: bool,
    time: bool,
    /// Launches one more for the first result, and finishes it itself.
    retries: bool,
}

// SAFETY: because a payload is touched by its claimer before READY and by the holder after it, and
// the machine by the holder alone, which the models check.
unsafe impl Sync for Toy {}

const fn written_by(ticket: Ticket) -> u32 {
    100 + ticket.get() as u32
}

impl Toy {
    fn new(machine: Machine) -> Arc<Self> {
        Arc::new(Self {
            flight: Flight::new(),
            payload: std::array::from_fn(|_| UnsafeCell::new(0)),
            machine: UnsafeCell::new(machine),
            freed: AtomicU32::new(0),
            late: AtomicU32::new(0),
        })
    }

    /// Begins, launches `attempts`, and lets go.
    fn launch(&self, attempts: usize) -> (Generation, Vec<Ticket>) {
        let mut hold = self.flight.begin_shown();
        let tickets = (0..attempts).map(|_| hold.launch().unwrap()).collect();
        let generation = hold.generation();
        hold.let_go().unwrap();
        (generation, tickets)
    }

    fn machine<R>(&self, f: impl FnOnce(&mut Machine) -> R) -> R {
        self.machine.with_mut(|machine| {
            // SAFETY: because the flight is held by this thread; loom tells if it is not.
            f(unsafe { &mut *machine })
        })
    }

    fn exit(&self, exit: Exit) {
        if exit == Exit::Freed {
            self.freed.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The driver's loop.
    fn drive(&self, mut hold: Hold<'_>) {
        loop {
            while let Some(news) = hold.take() {
                match news {
                    News::Ready(ticket) => self.on_result(&mut hold, ticket),
                    News::Cancel => self.machine(|machine| machine.cancelled = true),
                    News::Time => self.machine(|machine| machine.time = true),
                }
            }
            let over = self.machine(|machine| machine.seen.len() as u32 >= machine.goal);
            let left = if over { hold.end().map(|exit| self.exit(exit)) } else { hold.let_go() };
            match left {
                Ok(()) => return,
                Err(held) => hold = held,
            }
        }
    }

    fn on_result(&self, hold: &mut Hold<'_>, ticket: Ticket) {
        let value = self.payload[ticket.seat()].with(|value| {
            // SAFETY: because the result was published for the holder; loom tells if not.
            unsafe { *value }
        });
        assert_eq!(value, written_by(ticket));
        let retries = self.machine(|machine| {
            machine.seen.push(value);
            std::mem::take(&mut machine.retries)
        });
        if retries {
            let again = hold.launch().unwrap();
            assert_eq!(again.seat(), ticket.seat());
            self.finish(hold.generation(), again).expect("nobody else has this ticket");
        }
    }

    fn finish(&self, generation: Generation, ticket: Ticket) -> Result<(), Stale> {
        self.flight.claim(generation, ticket)?;
        self.payload[ticket.seat()].with_mut(|value| {
            // SAFETY: because the claim gave the seat to this thread; loom tells if it did not.
            unsafe { *value = written_by(ticket) }
        });
        match self.flight.ready(generation, ticket) {
            Drive::You(hold) => self.drive(hold),
            Drive::Elsewhere => {}
            Drive::Late => {
                self.late.fetch_add(1, Ordering::AcqRel);
                self.exit(self.flight.retire(generation, ticket));
            }
        }
        Ok(())
    }

    /// As [`finish`](Self::finish), in one exchange where nobody drives.
    fn arrive(&self, generation: Generation, ticket: Ticket) -> Result<(), Stale> {
        let arrival = self.flight.arrive(generation, ticket)?;
        self.payload[ticket.seat()].with_mut(|value| {
            // SAFETY: because the claim gave the seat to this thread; loom tells if it did not.
            unsafe { *value = written_by(ticket) }
        });
        match arrival {
            Arrival::Driving(hold) => self.drive(hold),
            Arrival::Claimed => match self.flight.ready(generation, ticket) {
                Drive::You(hold) => self.drive(hold),
                Drive::Elsewhere => {}
                Drive::Late => {
                    self.late.fetch_add(1, Ordering::AcqRel);
                    self.exit(self.flight.retire(generation, ticket));
                }
            },
        }
        Ok(())
    }

    /// What the machine saw, when all threads are done.
    fn seen(&self) -> Machine {
        self.machine(|machine| machine.clone())
    }

    /// All threads are done, and these many attempts have ended.
    fn assert_accounted_for(&self, ended: usize) {
        let late = self.late.load(Ordering::Acquire) as usize;
        assert_eq!(self.seen().seen.len() + late, ended, "none is lost, none counts twice");
        assert_eq!(self.freed(), 1);
    }

    fn freed(&self) -> u32 {
        self.freed.load(Ordering::Acquire)
    }
}

fn spawn<R: 'static>(toy: &Arc<Toy>, f: impl FnOnce(&Toy) -> R + 'static) -> thread::JoinHandle<R> {
    let toy = Arc::clone(toy);
    thread::spawn(move || f(&toy))
}

#[test]
fn every_completion_is_driven_exactly_once() {
    explore("flight: two finish a call that waits for both", || {
        let toy = Toy::new(Machine { goal: 2, ..Machine::default() });
        let (generation, tickets) = toy.launch(2);
        let threads: Vec<_> = tickets
            .into_iter()
            .map(|ticket| spawn(&toy, move |toy| toy.finish(generation, ticket)))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        let mut seen = toy.seen().seen;
        seen.sort_unstable();
        assert_eq!(seen, [100, 101]);
        assert_eq!(toy.freed(), 1);
    });
}

#[test]
fn the_winner_ends_the_call_and_the_loser_frees_or_is_driven() {
    explore("flight: two finish a call that takes the first", || {
        let toy = Toy::new(Machine { goal: 1, ..Machine::default() });
        let (generation, tickets) = toy.launch(2);
        let threads: Vec<_> = tickets
            .into_iter()
            .map(|ticket| spawn(&toy, move |toy| toy.finish(generation, ticket)))
            .collect();
        let watching = spawn(&toy, move |toy| {
            // The caller that waits reads the answer once the call is over.
            toy.flight.is_over(generation).then(|| {
                toy.machine.with(|machine| {
                    // SAFETY: because nobody holds a flight that is over; loom tells if somebody does.
                    unsafe { (*machine).seen.len() }
                })
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        assert!(watching.join().unwrap().is_none_or(|seen| seen >= 1));
        toy.assert_accounted_for(2);
    });
}

#[test]
fn whoever_arrives_drives_or_is_driven() {
    explore("flight: two arrive at a call that takes the first, one knocks", || {
        let toy = Toy::new(Machine { goal: 1, ..Machine::default() });
        let (generation, tickets) = toy.launch(2);
        let threads: Vec<_> = tickets
            .into_iter()
            .map(|ticket| spawn(&toy, move |toy| toy.arrive(generation, ticket)))
            .collect();
        let knocking = spawn(&toy, move |toy| {
            if let Drive::You(hold) = toy.flight.knock_time(generation) {
                toy.drive(hold);
            }
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        knocking.join().unwrap();
        toy.assert_accounted_for(2);
    });
}

#[test]
fn of_two_who_finish_one_attempt_one_arrives() {
    explore("flight: one arrives and one claims, the same attempt; another finishes", || {
        let toy = Toy::new(Machine { goal: 2, ..Machine::default() });
        let (generation, tickets) = toy.launch(2);
        let [first, second] = [tickets[0], tickets[1]];
        let arriving = spawn(&toy, move |toy| toy.arrive(generation, first));
        let finishing = spawn(&toy, move |toy| toy.finish(generation, first));
        let other = spawn(&toy, move |toy| toy.arrive(generation, second));
        let both = [arriving.join().unwrap(), finishing.join().unwrap()];
        other.join().unwrap().unwrap();
        assert_eq!(both.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let mut seen = toy.seen().seen;
        seen.sort_unstable();
        assert_eq!((seen, toy.freed()), (vec![100, 101], 1));
    });
}

#[test]
fn a_flight_is_seen_whole_or_not_at_all() {
    explore("flight: one begins unseen, one knocks and one finishes by guess", || {
        let toy = Toy::new(Machine { goal: 1, ..Machine::default() });
        let generation = Generation::FIRST;
        let guess = Ticket::parse(0).unwrap();
        let beginning = spawn(&toy, move |toy| {
            let mut hold = toy.flight.begin();
            toy.machine(|machine| machine.seen.push(7));
            assert_eq!(hold.launch(), Ok(guess));
            toy.machine(|machine| assert_eq!(machine.seen.pop(), Some(7)));
            hold.let_go().unwrap();
        });
        let knocking = spawn(&toy, move |toy| {
            if let Drive::You(hold) = toy.flight.knock_time(generation) {
                toy.drive(hold);
            }
        });
        let finishing = spawn(&toy, move |toy| toy.arrive(generation, guess).is_ok());
        beginning.join().unwrap();
        knocking.join().unwrap();
        if !finishing.join().unwrap() {
            toy.arrive(generation, guess).unwrap();
        }
        assert_eq!((toy.seen().seen, toy.freed()), (vec![100], 1));
    });
}

#[test]
fn time_and_cancel_reach_the_machine() {
    explore("flight: one finishes, one knocks, one cancels and polls", || {
        let toy = Toy::new(Machine { goal: 1, ..Machine::default() });
        let (generation, tickets) = toy.launch(1);
        let finishing = spawn(&toy, move |toy| toy.finish(generation, tickets[0]));
        let knocking = spawn(&toy, move |toy| match toy.flight.knock_time(generation) {
            Drive::You(hold) => {
                toy.drive(hold);
                true
            }
            Drive::Elsewhere => false,
            Drive::Late => false,
        });
        let cancelling = spawn(&toy, move |toy| match toy.flight.cancel(generation) {
            Cancel::Next => match toy.flight.poll(generation) {
                Drive::You(hold) => {
                    toy.drive(hold);
                    true
                }
                Drive::Elsewhere | Drive::Late => false,
            },
            Cancel::Elsewhere | Cancel::Late => false,
        });
        finishing.join().unwrap().unwrap();
        let drove_time = knocking.join().unwrap();
        let drove_cancel = cancelling.join().unwrap();
        let machine = toy.seen();
        assert_eq!((machine.seen, toy.freed()), (vec![100], 1));
        assert!(machine.time || !drove_time, "whoever knocks and drives sees the time");
        // Between the cancel and the poll another may have taken hold, seen to it and let go.
        assert!(machine.cancelled || !drove_cancel);
    });
}

#[test]
fn a_second_finish_settles_nothing() {
    explore("flight: the same attempt is finished twice, and its seat used again", || {
        let toy = Toy::new(Machine { goal: 3, retries: false, ..Machine::default() });
        let (generation, tickets) = toy.launch(2);
        // The other seat is done with, so that the next ticket but one has this one's.
        toy.finish(generation, tickets[1]).unwrap();
        toy.machine(|machine| machine.retries = true);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let ticket = tickets[0];
                spawn(&toy, move |toy| toy.finish(generation, ticket))
            })
            .collect();
        let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(toy.seen().seen, [101, 100, 102]);
        assert_eq!(toy.freed(), 1);
    });
}

#[test]
fn an_old_id_does_not_reach_the_next_flight() {
    explore("flight: a stale finish, knock and cancel while the flight is used again", || {
        let toy = Toy::new(Machine { goal: 1, ..Machine::default() });
        let (old, tickets) = toy.launch(1);
        let ticket = tickets[0];
        let using = spawn(&toy, move |toy| {
            toy.finish(old, ticket).is_ok() && {
                // Its owner again, if this thread freed it.
                let free = toy.freed() == 1;
                if free {
                    let mut hold = toy.flight.begin_shown();
                    assert_eq!(hold.launch(), Ok(ticket));
                    assert_eq!(hold.take(), None, "nothing of the old flight's news");
                    hold.let_go().unwrap();
                    let new = old.next();
                    assert_eq!(toy.flight.claim(new, ticket), Ok(()), "nobody else claimed it");
                }
                free
            }
        });
        let stale = spawn(&toy, move |toy| {
            // A finish after the first, whoever was first, is stale.
            let claimed = toy.flight.claim(old, ticket);
            if claimed.is_ok() {
                // This thread is the finisher, then.
                toy.payload[ticket.seat()].with_mut(|value| {
                    // SAFETY: because the claim gave the seat to this thread.
                    unsafe { *value = written_by(ticket) }
                });
                if let Drive::You(hold) = toy.flight.ready(old, ticket) {
                    toy.drive(hold);
                }
            }
            let _ = toy.flight.cancel(old);
            claimed.is_ok()
        });
        let (used, claimed) = (using.join().unwrap(), stale.join().unwrap());
        assert!(used != claimed, "one of the two finished it");
    });
}
