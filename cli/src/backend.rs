//! The embedded backend: a real HTTP/1.1 server on loopback that misbehaves as a scenario says.

mod connection;
mod lane;
mod request;
mod server;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use mio::Waker;

use crate::scenario::Model;
use lane::Lane;
use server::Server;

/// Names the logical call a request belongs to: the same number for every attempt of it.
pub(crate) const CALL_HEADER: &str = "x-rego-call";
/// Numbers the attempts of one call from 0.
pub(crate) const ATTEMPT_HEADER: &str = "x-rego-attempt";
/// How many pushbacks of this call the client had read when it began the attempt.
pub(crate) const TOLD_HEADER: &str = "x-rego-told";

/// A running backend: one thread, one event loop. Dropping it ends the thread.
pub(crate) struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the backend saw of one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Attempts that arrived.
    pub(crate) arrivals: u64,
    /// Attempts whose client went away before the answer.
    pub(crate) cancelled: u64,
    /// Calls that were asked to come back later.
    pub(crate) pushed_back: u64,
    /// Attempts that came back earlier than they were asked to, by a client that knew.
    pub(crate) early: u64,
}

struct Shared {
    lane: Mutex<Lane>,
    stop: AtomicBool,
    waker: Waker,
}

impl Backend {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start(model: Model) -> io::Result<Self> {
        let (server, waker) = Server::bind()?;
        let address = server.address()?;
        let lane = Mutex::new(Lane::new(model));
        let shared = Arc::new(Shared { lane, stop: AtomicBool::new(false), waker });
        let thread = thread::Builder::new().name("rego-backend".into()).spawn({
            let shared = Arc::clone(&shared);
            move || server.run(&shared)
        })?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts a lane whose measured run begins at `begin`: the scenario's clock and the counts
    /// start afresh.
    pub(crate) fn begin_lane(&self, begin: Instant) {
        self.shared.lane().begin(begin);
    }

    /// What was seen since the lane began.
    pub(crate) fn tally(&self) -> Tally {
        self.shared.lane().tally()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Release: what was done before the drop happens-before the loop's end.
        self.shared.stop.store(true, Ordering::Release);
        if self.shared.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        // Acquire: pairs with the release in `drop`.
        self.stop.load(Ordering::Acquire)
    }
}
