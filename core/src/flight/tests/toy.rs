//! A toy machine on real threads: every completion is driven once.

use super::*;

/// A call of a toy engine: each result that arrives launches `fan` more attempts until `goal` have
/// been seen, then the call ends. `machine` is the plain data that only a holder may touch.
struct Toy {
    flight: Flight,
    payload: [Cell<u64>; SEATS],
    machine: Cell<Machine>,
    /// How often each ticket was driven, or settled late.
    settled: [AtomicU32; LAUNCHES as usize],
    launched: AtomicU32,
    freed: AtomicU32,
}

#[derive(Default)]
struct Machine {
    seen: u32,
    fan: u32,
    goal: u32,
    sum: u64,
}

// SAFETY: because a payload is touched by its claimer before READY and by the holder after it, and
// the machine by the holder alone; that this is so is what the tests are about.
unsafe impl Sync for Toy {}

fn written_by(ticket: Ticket) -> u64 {
    u64::from(ticket.get()) * 1_000_003 + 7
}

impl Toy {
    fn new(fan: u32, goal: u32) -> Self {
        Self {
            flight: Flight::new(),
            payload: std::array::from_fn(|_| Cell::new(0)),
            machine: Cell::new(Machine { fan, goal, ..Machine::default() }),
            settled: std::array::from_fn(|_| AtomicU32::new(0)),
            launched: AtomicU32::new(0),
            freed: AtomicU32::new(0),
        }
    }

    fn settle(&self, ticket: Ticket) {
        self.settled[usize::from(ticket.get())].fetch_add(1, Ordering::SeqCst);
    }

    fn freed(&self, exit: Exit) {
        if exit == Exit::Freed {
            self.freed.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn launch(&self, hold: &mut Hold<'_>, run: &impl Fn(Ticket)) {
        if let Ok(ticket) = hold.launch() {
            self.launched.fetch_add(1, Ordering::SeqCst);
            run(ticket);
        }
    }

    /// The driver's loop.
    fn drive(&self, mut hold: Hold<'_>, run: &impl Fn(Ticket)) {
        loop {
            while let Some(news) = hold.take() {
                let News::Ready(ticket) = news else { continue };
                // SAFETY: because the result was published for the holder.
                let value = self.payload[ticket.seat()].with(|value| unsafe { *value });
                assert_eq!(value, written_by(ticket));
                self.settle(ticket);
                // SAFETY: because this thread holds the flight.
                let machine = self.machine.with_mut(|machine| unsafe { &mut *machine });
                machine.seen += 1;
                machine.sum += value;
                if machine.seen < machine.goal {
                    for _ in 0..machine.fan {
                        self.launch(&mut hold, run);
                    }
                }
            }
            // SAFETY: because this thread holds the flight.
            let machine = self.machine.with(|machine| unsafe { &*machine });
            let over = machine.seen >= machine.goal;
            let left = if over { hold.end().map(|exit| self.freed(exit)) } else { hold.let_go() };
            match left {
                Ok(()) => return,
                Err(held) => hold = held,
            }
        }
    }

    fn finish(&self, generation: Generation, ticket: Ticket, run: &impl Fn(Ticket)) {
        let arrival = self.flight.arrive(generation, ticket).expect("finished once");
        // SAFETY: because the claim gave the seat to this thread.
        self.payload[ticket.seat()].with_mut(|value| unsafe { *value = written_by(ticket) });
        if let Arrival::Driving(hold) = arrival {
            return self.drive(hold, run);
        }
        match self.flight.ready(generation, ticket) {
            Drive::You(hold) => self.drive(hold, run),
            Drive::Elsewhere => {}
            Drive::Late => {
                self.settle(ticket);
                self.freed(self.flight.retire(generation, ticket));
            }
        }
    }
}

/// Runs one toy call on `workers` threads, with `noise` more that knock and cancel, until every
/// attempt is settled.
fn fly(toy: &Toy, workers: usize, first: u32, spins: &[u32]) {
    let (send, receive) = mpsc::channel::<Option<(Generation, Ticket)>>();
    let receive = std::sync::Mutex::new(receive);
    let barrier = Barrier::new(workers + 1);
    thread::scope(|scope| {
        for worker in 0..workers {
            let (send, receive, barrier) = (send.clone(), &receive, &barrier);
            scope.spawn(move || {
                barrier.wait();
                loop {
                    let task = receive.lock().unwrap().recv().unwrap();
                    let Some((generation, ticket)) = task else { break };
                    let spin = spins[(usize::from(ticket.get()) + worker) % spins.len()];
                    (0..spin).for_each(|_| std::hint::spin_loop());
                    if spin.is_multiple_of(3) {
                        let run = |t| send.send(Some((generation, t))).unwrap();
                        if let Drive::You(hold) = toy.flight.knock_time(generation) {
                            toy.drive(hold, &run);
                        }
                    }
                    if spin.is_multiple_of(5) {
                        let _ = toy.flight.cancel(generation);
                    }
                    toy.finish(generation, ticket, &|t| send.send(Some((generation, t))).unwrap());
                    // The last attempt to be settled sends everybody home.
                    if toy.freed.load(Ordering::SeqCst) == 1 {
                        (0..workers).for_each(|_| send.send(None).unwrap());
                    }
                }
            });
        }
        let mut hold = toy.flight.begin_shown();
        let generation = hold.generation();
        let run = |ticket| send.send(Some((generation, ticket))).unwrap();
        for _ in 0..first {
            toy.launch(&mut hold, &run);
        }
        barrier.wait();
        toy.drive(hold, &run);
        if toy.freed.load(Ordering::SeqCst) == 1 {
            (0..workers).for_each(|_| send.send(None).unwrap());
        }
    });
    let launched = toy.launched.load(Ordering::SeqCst);
    for (ticket, settled) in toy.settled.iter().enumerate() {
        let expected = u32::from(ticket < launched as usize);
        assert_eq!(settled.load(Ordering::SeqCst), expected, "ticket {ticket} of {launched}");
    }
    assert_eq!(toy.freed.load(Ordering::SeqCst), 1);
    // SAFETY: because every thread has been joined.
    let machine = toy.machine.with(|machine| unsafe { &*machine });
    assert!(machine.seen <= launched && machine.sum >= u64::from(machine.seen) * 7);
}

#[test]
fn every_completion_is_driven_once_whatever_the_interleaving() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u32
    };
    let full = std::env::var("REGO_STRESS").is_ok_and(|value| value == "full");
    for _ in 0..if full { 100_000 } else { 3_000 } {
        let workers = 2 + random() as usize % 2;
        let goal = 1 + random() % 20;
        let (first, fan) = (1 + random() % 4, 1 + random() % 3);
        let spins: Vec<u32> = (0..7).map(|_| random() % 400).collect();
        fly(&Toy::new(fan, goal), workers, first, &spins);
    }
}
