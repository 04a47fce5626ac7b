//! Attempts: where they go, how long they take, how they end.

use rego::{AttemptKind, Completion, Nanos};

use super::{Caller, Job, Stage, World};
use crate::{
    agenda::Event,
    draw::{Draw, Purpose},
    scenario::{Balance, Fault, FaultKind, Queue, Service},
    servers::Ordered,
};

/// How long it takes to be turned away.
const REFUSAL: Nanos = Nanos::from_millis(1);

impl World<'_> {
    fn service(&self, layer: u32) -> &Service {
        match (layer as usize).checked_sub(1) {
            None => &self.scenario.service,
            Some(behind) => &self.scenario.behind[behind],
        }
    }

    fn draw(&self, purpose: Purpose, layer: u32, nth: u64, number: u32) -> Draw {
        Draw::at(self.seed, purpose, layer as usize, nth, number)
    }

    /// An attempt is sent to a server.
    pub(super) fn start(
        &mut self,
        call: u32,
        attempt: u64,
        number: u32,
        kind: AttemptKind,
        deadline: Nanos,
    ) {
        let state = &self.calls[call];
        let (layer, client, nth, measured) = (state.layer, state.client, state.nth, state.measured);
        let most = self.layers[layer as usize].clients[client as usize].promise().alive;
        self.audit.started(state.done, state.launched == number, state.alive.len, most);
        if layer == 0 {
            self.outcome.attempt(self.now, kind, measured);
        }
        if layer as usize + 1 == self.layers.len() {
            self.outcome.deepest += 1;
        }
        self.audit.extra(kind);
        let server = self.choose(call, layer, nth, number);
        let (demand, fails) = self.demand(layer, nth, number, server);
        // No two alive have the same: what is on the agenda for one that is gone means nobody.
        self.stamps = self.stamps.wrapping_add(1);
        let job = self.jobs.insert(Job {
            layer,
            client,
            server,
            nth,
            number,
            attempt,
            call: Some(call),
            stage: Stage::Waiting,
            stamp: self.stamps,
            demand,
            began: self.now,
            deadline,
            fails,
            inner: None,
            measured,
            goal: Ordered(0.0),
            kind,
        });
        let state = &mut self.calls[call];
        state.launched += 1;
        state.alive.push(job);
        self.arrive_at(job);
    }

    /// The server an attempt goes to: not one that has an earlier attempt of its call.
    fn choose(&mut self, call: u32, layer: u32, nth: u64, number: u32) -> u32 {
        let count = self.layers[layer as usize].servers.count();
        if count == 1 {
            return 0;
        }
        let mut draw = self.draw(Purpose::Server, layer, nth, number);
        let taken = |server: usize| {
            let alive = &self.calls[call].alive;
            alive.as_slice().iter().any(|job| self.jobs[*job].server as usize == server)
        };
        let mut any = || {
            let first = draw.below(count);
            // The next one that has none, if there is one.
            (first..first + count).map(|n| n % count).find(|one| !taken(*one)).unwrap_or(first)
        };
        let server = match self.service(layer).balance {
            Balance::Random => any(),
            Balance::RoundRobin => {
                let servers = &mut self.layers[layer as usize].servers;
                servers.turn = (servers.turn + 1) % count;
                servers.turn
            }
            Balance::TwoChoices => {
                let (one, other) = (any(), any());
                let servers = &self.layers[layer as usize].servers;
                if servers.load(other) < servers.load(one) { other } else { one }
            }
        };
        u32::try_from(server).expect("few servers")
    }

    /// How long a server works on an attempt, and whether it fails then.
    fn demand(&self, layer: u32, nth: u64, number: u32, server: u32) -> (Nanos, bool) {
        let service = self.service(layer);
        let times = &self.layers[layer as usize].times;
        let mut time = times.draw(&mut self.draw(Purpose::Service, layer, nth, number));
        if service.stragglers.is_empty()
            && self.scenario.faults.is_empty()
            && service.failures <= 0.0
        {
            return (time, false);
        }
        let mut own = self.draw(Purpose::Straggler, layer, nth, number);
        let mut shared = self.draw(Purpose::Correlated, layer, nth, 0);
        for slow in &service.stragglers {
            let luck = if slow.correlated { &mut shared } else { &mut own };
            if luck.chance(slow.probability) {
                time = time.mul_f64(slow.factor) + slow.extra.0;
            }
        }
        let mut luck = self.draw(Purpose::Fault, layer, nth, number);
        for fault in self.faults(layer, server, FaultKind::Slow) {
            if luck.chance(fault.share) {
                time = time.mul_f64(fault.factor);
            }
        }
        (time, luck.chance(service.failures))
    }

    /// The faults of a kind that a server has now.
    fn faults(&self, layer: u32, server: u32, kind: FaultKind) -> impl Iterator<Item = &Fault> {
        let now = self.now;
        self.scenario.faults.iter().filter(move |fault| {
            fault.kind == kind
                && fault.layer == layer as usize
                && fault.from.0 <= now
                && fault.to.is_none_or(|to| now < to.0)
                && (fault.servers.is_empty() || fault.servers.contains(&(server as usize)))
        })
    }

    fn befalls(&self, kind: FaultKind, job: &Job) -> bool {
        let mut luck = self.draw(Purpose::Fault, job.layer, job.nth, job.number);
        // Not the number by which slowness and failures are drawn.
        luck.word();
        self.faults(job.layer, job.server, kind).any(|fault| luck.chance(fault.share))
    }

    /// An attempt arrives at its server.
    fn arrive_at(&mut self, job: u32) {
        let state = &self.jobs[job];
        let (layer, server) = (state.layer, state.server);
        if !self.scenario.faults.is_empty() {
            if self.befalls(FaultKind::Lost, state) {
                self.jobs[job].stage = Stage::Away;
                return;
            }
            if self.befalls(FaultKind::Errors, state) {
                return self.refuse(job);
            }
        }
        let waiting = self.layers[layer as usize].servers.waiting(server as usize);
        if self.service(layer).queue_limit.is_some_and(|limit| waiting >= limit) {
            return self.refuse(job);
        }
        match self.service(layer).queue {
            Queue::None => self.serve(job),
            Queue::Fifo => {
                self.layers[layer as usize].servers.wait(server as usize, job);
                self.serve_next(layer, server);
            }
            Queue::Shared => self.share(job),
        }
    }

    fn refuse(&mut self, job: u32) {
        let state = &mut self.jobs[job];
        state.stage = Stage::Refused;
        state.fails = true;
        let stamp = state.stamp;
        self.agenda.add(self.now + REFUSAL, Event::Served { job, stamp });
    }

    fn is_stopped(&self, layer: u32, server: u32) -> bool {
        self.faults(layer, server, FaultKind::Stopped).next().is_some()
    }

    /// A server takes on what it has a place for.
    fn serve_next(&mut self, layer: u32, server: u32) {
        if !self.scenario.faults.is_empty() && self.is_stopped(layer, server) {
            return;
        }
        while let Some(job) = self.layers[layer as usize].servers.take(server as usize) {
            let expired = self.jobs[job].deadline <= self.now;
            if expired && self.service(layer).drop_expired {
                self.layers[layer as usize].servers.release(server as usize);
                self.lose(job);
                continue;
            }
            self.serve(job);
        }
    }

    /// The attempt's work is not done and never will be.
    fn lose(&mut self, job: u32) {
        if self.jobs[job].call.is_some() {
            // Its client will give it up: its time is over.
            self.jobs[job].stage = Stage::Away;
        } else {
            self.jobs.remove(job);
        }
    }

    /// Work on an attempt begins.
    fn serve(&mut self, job: u32) {
        let state = &mut self.jobs[job];
        state.stage = Stage::Served;
        state.began = self.now;
        let (at, stamp) = (self.now + state.demand, state.stamp);
        self.agenda.add(at, Event::Served { job, stamp });
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
    fn share(&mut self, job: u32) {
        let state = &self.jobs[job];
        let (layer, server, demand) = (state.layer, state.server, state.demand.as_nanos() as f64);
        let servers = &mut self.layers[layer as usize].servers;
        let goal = servers.share(server as usize, job, demand, self.now);
        self.jobs[job].goal = goal;
        self.jobs[job].began = self.now;
        self.jobs[job].stage = Stage::Served;
        self.plan_shared(layer, server);
    }

    fn plan_shared(&mut self, layer: u32, server: u32) {
        let servers = &mut self.layers[layer as usize].servers;
        if let Some((at, stamp)) = servers.next_shared(server as usize, self.now) {
            self.agenda.add(at, Event::Shared { layer, server, stamp });
        }
    }

    /// A server is through with an attempt.
    pub(super) fn served(&mut self, job: u32, stamp: u32) {
        let Some(state) = self.jobs.get_mut(job) else { return };
        if state.stamp != stamp {
            return;
        }
        let (layer, server, stage) = (state.layer, state.server, state.stage);
        self.through(job);
        if stage == Stage::Served && self.service(layer).queue == Queue::Fifo {
            self.layers[layer as usize].servers.release(server as usize);
            self.serve_next(layer, server);
        }
    }

    /// A shared server is through with some attempts.
    pub(super) fn shared(&mut self, layer: u32, server: u32, stamp: u32) {
        let servers = &mut self.layers[layer as usize].servers;
        let through = servers.shared_through(server as usize, stamp, self.now);
        let Some(through) = through else { return };
        for job in through {
            self.through(job);
        }
        self.plan_shared(layer, server);
    }

    /// The work on an attempt is done: it ends, or the service behind is called.
    fn through(&mut self, job: u32) {
        let state = &self.jobs[job];
        if state.layer == 0 && state.stage == Stage::Served {
            self.outcome.served(state.demand, state.call.is_none());
        }
        let behind = state.layer as usize + 1;
        if state.fails || behind >= self.layers.len() || state.call.is_none() {
            let good = !state.fails;
            return self.end(job, good);
        }
        let (client, deadline, measured) = (state.server as usize, state.deadline, state.measured);
        self.jobs[job].stage = Stage::Away;
        let inner = self.begin(behind, client, Caller::Job(job), deadline, measured);
        if let Some(state) = self.jobs.get_mut(job) {
            state.inner = Some(inner);
        }
    }

    /// The call to the service behind is done.
    pub(super) fn inner_done(&mut self, job: u32, good: bool) {
        self.jobs[job].inner = None;
        self.end(job, good);
    }

    /// An attempt ends.
    fn end(&mut self, job: u32, good: bool) {
        let state = self.jobs.remove(job).expect("an attempt ends once");
        let Some(call) = state.call else { return };
        // As `part`, but the attempt is gone.
        let caller = &mut self.calls[call];
        caller.alive.remove(job);
        if good && !caller.done && caller.answered.is_none() {
            caller.answered = Some(state.kind);
        }
        if caller.done && caller.alive.len == 0 {
            self.calls.remove(call);
        }
        let facts = if good { Completion::ok() } else { Completion::http(503) };
        self.tell(state.layer, state.client, state.attempt, &facts);
    }

    /// Its client has given an attempt up.
    pub(super) fn abandon(&mut self, job: u32) {
        let state = &mut self.jobs[job];
        let (layer, server, stage) = (state.layer, state.server, state.stage);
        if stage == Stage::Away || stage == Stage::Refused {
            if let Some(inner) = state.inner.take() {
                self.abandon_inner(layer + 1, inner);
            }
            self.jobs.remove(job);
            return;
        }
        if !self.service(layer).cancel {
            return;
        }
        let servers = &mut self.layers[layer as usize].servers;
        match (servers.queue, stage) {
            (Queue::Fifo, Stage::Waiting) => servers.leave(server as usize, job),
            (Queue::Fifo, _) => servers.release(server as usize),
            (Queue::Shared, _) => {
                let goal = self.jobs[job].goal;
                servers.unshare(server as usize, job, goal, self.now);
            }
            (Queue::None, _) => {}
        }
        let left = self.jobs.remove(job).expect("it was there");
        if stage == Stage::Served {
            if layer == 0 {
                self.outcome.cut_short(self.now - left.began);
            }
            match self.service(layer).queue {
                Queue::Fifo => self.serve_next(layer, server),
                Queue::Shared => self.plan_shared(layer, server),
                Queue::None => {}
            }
        }
    }

    /// The caller of a call behind has gone away.
    fn abandon_inner(&mut self, layer: u32, call: u32) {
        let state = &mut self.calls[call];
        state.caller = Caller::Nobody;
        let (client, id) = (state.client, state.id);
        let host = &mut self.layers[layer as usize].clients[client as usize];
        host.cancel(self.now, id, &mut self.buffer);
        self.take_over(layer, client);
    }

    /// A layer's servers go on.
    pub(super) fn resume(&mut self, layer: u32) {
        for server in 0..self.layers[layer as usize].servers.count() {
            self.serve_next(layer, u32::try_from(server).expect("few servers"));
        }
    }
}
