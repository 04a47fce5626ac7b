//! Calls: how they begin, what their clients want done, how they end.

use rego::{Completion, Nanos, Timeline};

use super::{Alive, Call, Caller, World};
use crate::{
    agenda::Event,
    host::{Do, End},
    outcome::Outcome,
};

impl World<'_> {
    /// A client begins a call.
    pub(super) fn begin(
        &mut self,
        layer: usize,
        client: usize,
        caller: Caller,
        deadline: Nanos,
        measured: bool,
    ) -> u32 {
        let promise = self.layers[layer].clients[client].promise();
        let nth = self.layers[layer].calls;
        self.layers[layer].calls += 1;
        self.in_the_air += 1;
        #[expect(clippy::cast_possible_truncation, reason = "a few layers, thousands of clients")]
        let (at_layer, at_client) = (layer as u32, client as u32);
        let call = self.calls.insert(Call {
            layer: at_layer,
            client: at_client,
            nth,
            id: 0,
            caller,
            started: self.now,
            deadline: deadline.min(self.now + promise.overall),
            measured,
            done: false,
            launched: 0,
            alive: Alive::default(),
            answered: None,
        });
        let host = &mut self.layers[layer].clients[client];
        self.calls[call].id = host.begin(self.now, call, deadline, &mut self.buffer);
        self.take_over(at_layer, at_client);
        call
    }

    /// A client wants to be looked at.
    pub(super) fn wake(&mut self, layer: u32, client: u32) {
        let (at, to) = (layer as usize, client as usize);
        if self.layers[at].woken[to] <= self.now {
            self.layers[at].woken[to] = Nanos::NEVER;
        }
        self.layers[at].clients[to].wake(self.now, &mut self.buffer);
        self.take_over(layer, client);
    }

    /// Tells a client how an attempt of it ended.
    pub(super) fn tell(&mut self, layer: u32, client: u32, attempt: u64, facts: &Completion) {
        let host = &mut self.layers[layer as usize].clients[client as usize];
        host.finish(self.now, attempt, facts, &mut self.buffer);
        self.take_over(layer, client);
    }

    /// Notes down what a client wants done, and when it wants to be woken.
    pub(super) fn take_over(&mut self, layer: u32, client: u32) {
        self.todo.extend(self.buffer.drain(..).map(|one| (layer, client, one)));
        let place = &mut self.layers[layer as usize];
        let next = place.clients[client as usize].next();
        let woken = &mut place.woken[client as usize];
        if next < *woken {
            *woken = next;
            self.agenda.add(next.max(self.now), Event::Wake { layer, client });
        }
    }

    /// Does what clients want done, until they want nothing more.
    pub(super) fn work_off(&mut self) {
        let mut done = 0;
        while let Some(&(layer, client, one)) = self.todo.get(done) {
            done += 1;
            match one {
                Do::Start { call, attempt, number, kind, deadline } => {
                    self.start(call, attempt, number, kind, deadline);
                }
                Do::Cancel { call, attempt } => self.give_up(layer, client, call, attempt),
                Do::Done { call, end, attempts } => {
                    self.be_done(call, end, attempts);
                }
            }
        }
        self.todo.clear();
    }

    fn give_up(&mut self, layer: u32, client: u32, call: u32, attempt: u64) {
        let alive = self.calls[call].alive;
        let job = alive.as_slice().iter().copied().find(|job| self.jobs[*job].attempt == attempt);
        let job = job.expect("an attempt is given up once, while it runs");
        self.part(call, job);
        self.abandon(job);
        self.tell(layer, client, attempt, &Completion::cancelled());
    }

    /// An attempt and its call have nothing to do with each other any more.
    pub(super) fn part(&mut self, call: u32, job: u32) {
        self.jobs[job].call = None;
        let state = &mut self.calls[call];
        state.alive.remove(job);
        if state.done && state.alive.len == 0 {
            self.calls.remove(call);
        }
    }

    /// Runs it to its end, and tells of the slowest call.
    pub(crate) fn run_telling(mut self) -> (Outcome, Option<Timeline>) {
        self.slowest = Some((Nanos::ZERO, None));
        for client in &mut self.layers[0].clients {
            client.keep();
        }
        let mut slowest = None;
        let outcome =
            self.run_and(|world| slowest = world.slowest.clone().and_then(|slowest| slowest.1));
        (outcome, slowest)
    }

    /// Whether this is the slowest call yet, where that is of interest.
    fn remember(&mut self, call: u32) {
        let Some((longest, timeline)) = &mut self.slowest else { return };
        let Call { layer, client, id, started, measured, .. } = self.calls[call];
        let client = &self.layers[layer as usize].clients[client as usize];
        let took = self.now - started;
        if measured && (took > *longest || timeline.is_none()) {
            (*longest, *timeline) = (took, client.timeline(id));
        }
        client.let_go(id);
    }

    fn be_done(&mut self, call: u32, end: End, attempts: u32) {
        let state = &mut self.calls[call];
        self.audit.done(state.done, state.launched == attempts);
        state.done = true;
        let promise = self.layers[state.layer as usize].clients[state.client as usize].promise();
        self.audit.in_time(self.now, state.deadline, promise.slack);
        let good = end == End::Success;
        self.audit.answered(state.answered.is_some(), good);
        let (caller, measured, started) = (state.caller, state.measured, state.started);
        let (is_front, is_empty) = (state.layer == 0, state.alive.len == 0);
        let via = state.answered.filter(|_| good);
        self.in_the_air -= 1;
        self.outcome.ended = self.now;
        if is_front {
            self.outcome.call(started, self.now, end, via, measured);
            self.remember(call);
        }
        if is_empty {
            self.calls.remove(call);
        }
        match caller {
            Caller::Request(request) => self.reply(request, good),
            Caller::Job(job) => self.inner_done(job, good),
            Caller::Nobody => {}
        }
    }
}
