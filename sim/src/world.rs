//! One simulation: clients, servers and the calls between them, on one thread in virtual time.

mod calls;
mod serve;
#[cfg(test)]
mod tests;

use rego::{AttemptKind, Nanos, Timeline};

use crate::{
    agenda::{Agenda, Event},
    audit::Audit,
    draw::{Draw, Purpose},
    host::{Client, Do},
    lane::Lane,
    outcome::Outcome,
    scenario::{Scenario, ScenarioError},
    servers::{Ordered, Servers},
    times::Source,
};

/// How often the series and the triggers are looked at.
const TICK: Nanos = Nanos::from_millis(250);

/// Everything there is.
pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    seed: u64,
    now: Nanos,
    agenda: Agenda,
    layers: Vec<Layer>,
    calls: Slab<Call>,
    jobs: Slab<Job>,
    requests: Slab<Request>,
    /// What clients want done, in order.
    todo: Vec<(u32, u32, Do)>,
    buffer: Vec<Do>,
    arrivals: Draw,
    arrived: u64,
    /// When the open loop's next request is due if its requests are evenly spaced.
    due: f64,
    in_the_air: u64,
    /// Stamps that have been dealt out.
    stamps: u32,
    outcome: Outcome,
    /// How long the slowest call took, and what happened in it; `None` if nobody wants to know.
    slowest: Option<(Nanos, Option<Timeline>)>,
    audit: Audit,
}

/// A service and the clients that call it.
struct Layer {
    clients: Vec<Client>,
    /// When each client's next wake-up is on the agenda.
    woken: Vec<Nanos>,
    servers: Servers,
    times: Source,
    /// How many calls it has had: their numbers.
    calls: u64,
}

/// Who waits for a call.
#[derive(Clone, Copy, Debug)]
enum Caller {
    Request(u32),
    /// An attempt of the service before.
    Job(u32),
    /// Gone away.
    Nobody,
}

/// A call in the air, or whose attempts still run.
#[derive(Clone, Debug)]
struct Call {
    layer: u32,
    client: u32,
    /// Its number in its layer, by which its luck is drawn.
    nth: u64,
    id: u64,
    caller: Caller,
    started: Nanos,
    deadline: Nanos,
    measured: bool,
    done: bool,
    launched: u32,
    /// Its attempts that were started and have not ended.
    alive: Alive,
    /// What kind of attempt succeeded while the call was in the air.
    answered: Option<AttemptKind>,
}

/// An attempt, from its start to the end of the work on it.
#[derive(Clone, Debug)]
struct Job {
    layer: u32,
    client: u32,
    server: u32,
    /// The call's number and the attempt's, by which its luck is drawn.
    nth: u64,
    number: u32,
    attempt: u64,
    /// `None` once its client has given it up: the server works for nobody.
    call: Option<u32>,
    stage: Stage,
    /// Counts changes that make what is on the agenda void.
    stamp: u32,
    /// How long the server works on it, or what is left of that.
    demand: Nanos,
    /// When the work on it began.
    began: Nanos,
    deadline: Nanos,
    fails: bool,
    /// The call to the service behind, while it is being made.
    inner: Option<u32>,
    measured: bool,
    /// Where the server's progress has to be for it, if it is shared.
    goal: Ordered,
    kind: AttemptKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Served,
    /// On its way to an error that takes no place.
    Refused,
    /// The service behind has it, or it is lost.
    Away,
}

/// A request: as many calls as the fan-out says.
#[derive(Clone, Copy, Debug)]
struct Request {
    started: Nanos,
    left: u32,
    good: bool,
    measured: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(
        scenario: &'a Scenario,
        lane: &Lane,
        seed: u64,
    ) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let mut layers = Vec::new();
        let mut clients = scenario.clients;
        for (nth, service) in scenario.services().enumerate() {
            let times =
                service.times.source().map_err(|wrong| ScenarioError::new(wrong.to_string()))?;
            let all: Result<Vec<_>, _> = (0..clients)
                .map(|client| lane.client(&scenario.key, client_seed(seed, nth, client)))
                .collect();
            let all = all?;
            let woken = vec![Nanos::NEVER; all.len()];
            let servers = Servers::new(service);
            layers.push(Layer { clients: all, woken, servers, times, calls: 0 });
            // Each server is the client of the service behind it.
            clients = service.servers;
        }
        let mut world = Self {
            scenario,
            seed,
            now: Nanos::ZERO,
            agenda: Agenda::default(),
            layers,
            calls: Slab::default(),
            jobs: Slab::default(),
            requests: Slab::default(),
            todo: Vec::new(),
            buffer: Vec::new(),
            arrivals: Draw::at(seed, Purpose::Arrival, 0, 0, 0),
            arrived: 0,
            due: 0.0,
            in_the_air: 0,
            stamps: 0,
            outcome: Outcome::new(),
            slowest: None,
            audit: Audit::default(),
        };
        world.open();
        Ok(world)
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Outcome {
        self.run_and(|_| ())
    }

    /// Runs it to its end, and has a look at it then.
    fn run_and(mut self, look: impl FnOnce(&Self)) -> Outcome {
        while let Some((at, event)) = self.agenda.next() {
            debug_assert!(at >= self.now, "time goes forward");
            self.now = at;
            match event {
                Event::Arrive => self.arrive(),
                Event::Wake { layer, client } => self.wake(layer, client),
                Event::Served { job, stamp } => self.served(job, stamp),
                Event::Shared { layer, server, stamp } => self.shared(layer, server, stamp),
                Event::Resume { layer } => self.resume(layer),
                Event::Tick => self.tick(),
            }
            self.work_off();
        }
        look(&self);
        self.close()
    }

    fn open(&mut self) {
        match (self.scenario.arrivals.rate, self.scenario.arrivals.workers) {
            (Some(_), _) => self.plan_arrival(),
            (None, workers) => {
                for _ in 0..workers.unwrap_or(1) {
                    self.agenda.add(Nanos::ZERO, Event::Arrive);
                }
            }
        }
        for fault in &self.scenario.faults {
            if let Some(to) = fault.to
                && fault.kind == crate::scenario::FaultKind::Stopped
            {
                #[expect(clippy::cast_possible_truncation, reason = "a few layers")]
                self.agenda.add(to.0, Event::Resume { layer: fault.layer as u32 });
            }
        }
        self.agenda.add(TICK, Event::Tick);
    }

    /// When the open loop's next request comes.
    fn plan_arrival(&mut self) {
        let Some(rate) = self.scenario.arrivals.rate else { return };
        let gap = 1e9 / rate;
        self.due +=
            if self.scenario.arrivals.even { gap } else { -gap * self.arrivals.unit().ln() };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let at = Nanos::from_nanos(self.due as u64);
        if at < self.scenario.duration.0 {
            self.agenda.add(at, Event::Arrive);
        }
    }

    /// A request arrives.
    fn arrive(&mut self) {
        if self.now >= self.scenario.duration.0
            || self.scenario.arrivals.requests.is_some_and(|most| self.arrived >= most)
        {
            return;
        }
        self.arrived += 1;
        self.plan_arrival();
        let measured = self.now >= self.scenario.warm_up.0;
        #[expect(clippy::cast_possible_truncation, reason = "checked when it was read")]
        let left = self.scenario.fan_out as u32;
        let request = Request { started: self.now, left, good: true, measured };
        let request = self.requests.insert(request);
        let clients = self.layers[0].clients.len();
        let client = match clients {
            1 => 0,
            _ => Draw::at(self.seed, Purpose::Client, 0, self.arrived, 0).below(clients),
        };
        let deadline = self.scenario.deadline.map_or(Nanos::NEVER, |within| self.now + within.0);
        for _ in 0..self.scenario.fan_out {
            self.begin(0, client, Caller::Request(request), deadline, measured);
        }
    }

    /// One of a request's calls is done.
    fn reply(&mut self, request: u32, good: bool) {
        let state = &mut self.requests[request];
        state.left -= 1;
        state.good &= good;
        if state.left > 0 {
            return;
        }
        let state = *state;
        self.requests.remove(request);
        // A request of one call is that call: see `close`.
        if state.measured && self.scenario.fan_out > 1 {
            self.outcome.request(self.now - state.started, state.good);
        }
        if self.scenario.arrivals.workers.is_some() {
            self.agenda.add(self.now + self.scenario.arrivals.think.0, Event::Arrive);
        }
    }

    fn tick(&mut self) {
        if let Some(hedging) = self.layers[0].clients[0].hedging() {
            self.outcome.hedging(self.now, hedging);
        }
        // Nothing but wake-ups of idle clients may be left.
        if self.now + TICK < self.scenario.duration.0 || self.in_the_air > 0 {
            self.agenda.add(self.now + TICK, Event::Tick);
        }
    }

    fn close(mut self) -> Outcome {
        assert_eq!(self.in_the_air, 0, "every call has ended");
        for layer in &self.layers {
            for client in &layer.clients {
                self.outcome.spent.add(&client.spent(self.now));
            }
        }
        if self.scenario.fan_out == 1 {
            self.outcome.requests = self.outcome.latency.clone();
            self.outcome.good_requests = self.outcome.good;
        }
        self.outcome.places = self.places();
        self.audit.close(&self.outcome.spent);
        self.outcome
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn places(&self) -> f64 {
        let service = &self.scenario.service;
        (service.servers * service.slots) as f64
    }
}

fn client_seed(seed: u64, layer: usize, client: usize) -> u64 {
    Draw::at(seed, Purpose::Client, layer, client as u64, 1).word()
}

/// The attempts of a call that are alive: 1 + 3 hedges at most.
#[derive(Clone, Copy, Debug, Default)]
struct Alive {
    jobs: [u32; 4],
    len: usize,
}

impl Alive {
    fn as_slice(&self) -> &[u32] {
        &self.jobs[..self.len]
    }

    fn push(&mut self, job: u32) {
        self.jobs[self.len] = job;
        self.len += 1;
    }

    fn remove(&mut self, job: u32) {
        if let Some(at) = self.as_slice().iter().position(|other| *other == job) {
            self.jobs.copy_within(at + 1..self.len, at);
            self.len -= 1;
        }
    }
}

/// Things by number; numbers of those that are gone are used again.
#[derive(Debug)]
struct Slab<T> {
    all: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    fn insert(&mut self, thing: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.all[number as usize] = Some(thing);
            return number;
        }
        self.all.push(Some(thing));
        u32::try_from(self.all.len() - 1).expect("fewer than 2^32 at a time")
    }

    fn remove(&mut self, number: u32) -> Option<T> {
        let thing = self.all[number as usize].take();
        if thing.is_some() {
            self.free.push(number);
        }
        thing
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.all.get_mut(number as usize)?.as_mut()
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { all: Vec::new(), free: Vec::new() }
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        self.all[number as usize].as_ref().expect("it is not gone")
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        self.all[number as usize].as_mut().expect("it is not gone")
    }
}
