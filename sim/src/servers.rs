//! Servers: first come first served, shared, or each attempt for itself.

use std::collections::{BTreeSet, VecDeque};

use rego::Nanos;

use crate::scenario::{Queue, Service};

/// The servers of one service.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) queue: Queue,
    slots: usize,
    all: Vec<Server>,
    /// Whose turn it is next.
    pub(crate) turn: usize,
}

/// One server.
#[derive(Debug, Default)]
struct Server {
    /// Attempts that wait, by number.
    waiting: VecDeque<u32>,
    /// How many are worked on.
    busy: usize,
    sharing: Sharing,
}

/// Attempts that share a server: each has got so much work done as there was for everybody.
#[derive(Debug, Default)]
struct Sharing {
    /// How much work each attempt has got since the beginning, in nanoseconds.
    progress: f64,
    at: Nanos,
    /// By the progress at which they are through.
    jobs: BTreeSet<(Ordered, u32)>,
    stamp: u32,
}

/// A number that is not NaN.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Ordered(pub(crate) f64);

impl Eq for Ordered {}

#[expect(clippy::derive_ord_xor_partial_ord, reason = "no NaN: they agree")]
impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Servers {
    pub(crate) fn new(service: &Service) -> Self {
        Self {
            queue: service.queue,
            slots: service.slots,
            all: (0..service.servers).map(|_| Server::default()).collect(),
            turn: 0,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// How many attempts a server has, waiting or worked on.
    pub(crate) fn load(&self, server: usize) -> usize {
        let server = &self.all[server];
        server.waiting.len() + server.busy + server.sharing.jobs.len()
    }

    /// How many attempts wait at a server.
    pub(crate) fn waiting(&self, server: usize) -> usize {
        match self.queue {
            Queue::Shared => self.all[server].sharing.jobs.len(),
            _ => self.all[server].waiting.len(),
        }
    }

    /// An attempt joins the line.
    pub(crate) fn wait(&mut self, server: usize, job: u32) {
        self.all[server].waiting.push_back(job);
    }

    /// An attempt leaves the line without having been worked on.
    pub(crate) fn leave(&mut self, server: usize, job: u32) {
        // Nearly always the line is short.
        self.all[server].waiting.retain(|other| *other != job);
    }

    /// The next attempt that a server has a place for. It takes the place.
    pub(crate) fn take(&mut self, server: usize) -> Option<u32> {
        let server = &mut self.all[server];
        if server.busy >= self.slots {
            return None;
        }
        let job = server.waiting.pop_front()?;
        server.busy += 1;
        Some(job)
    }

    /// An attempt gives its place back.
    pub(crate) fn release(&mut self, server: usize) {
        self.all[server].busy -= 1;
    }

    /// An attempt begins to share a server; at what progress it will be through.
    pub(crate) fn share(&mut self, server: usize, job: u32, demand: f64, now: Nanos) -> Ordered {
        let slots = self.slots;
        let sharing = &mut self.all[server].sharing;
        sharing.move_on(slots, now);
        let goal = Ordered(sharing.progress + demand);
        sharing.jobs.insert((goal, job));
        goal
    }

    /// An attempt ends to share a server.
    pub(crate) fn unshare(&mut self, server: usize, job: u32, goal: Ordered, now: Nanos) {
        let slots = self.slots;
        let sharing = &mut self.all[server].sharing;
        sharing.move_on(slots, now);
        sharing.jobs.remove(&(goal, job));
    }

    /// When the first of those that share a server will be through, and the stamp under which that
    /// holds.
    pub(crate) fn next_shared(&mut self, server: usize, now: Nanos) -> Option<(Nanos, u32)> {
        let slots = self.slots;
        let sharing = &mut self.all[server].sharing;
        sharing.stamp = sharing.stamp.wrapping_add(1);
        let (goal, _) = sharing.jobs.first()?;
        let left = (goal.0 - sharing.progress).max(0.0) / sharing.pace(slots);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let at = now + Nanos::from_nanos(left.ceil() as u64);
        Some((at, sharing.stamp))
    }

    /// Those that share a server and are through by now, if the stamp is right.
    pub(crate) fn shared_through(
        &mut self,
        server: usize,
        stamp: u32,
        now: Nanos,
    ) -> Option<Vec<u32>> {
        let slots = self.slots;
        let sharing = &mut self.all[server].sharing;
        if sharing.stamp != stamp {
            return None;
        }
        sharing.move_on(slots, now);
        let mut through = Vec::new();
        // A nanosecond is rounding.
        while let Some(&(goal, job)) = sharing.jobs.first()
            && goal.0 <= sharing.progress + 1.0
        {
            sharing.jobs.pop_first();
            through.push(job);
        }
        Some(through)
    }
}

impl Sharing {
    /// How much work each attempt gets in a nanosecond.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn pace(&self, slots: usize) -> f64 {
        if self.jobs.len() <= slots { 1.0 } else { slots as f64 / self.jobs.len() as f64 }
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
    fn move_on(&mut self, slots: usize, now: Nanos) {
        self.progress += (now - self.at).as_nanos() as f64 * self.pace(slots);
        self.at = now;
    }
}
