//! Ends a request from another thread.

use std::{
    io,
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A handle that ends one request: before it starts, or while it is on the wire. Clones are the
/// same handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    OffWire,
    OnWire(Arc<TcpStream>),
    Cancelled,
}

impl Cancel {
    /// Shuts the request's connection down. Nothing happens when the request is over.
    pub(crate) fn cancel(&self) {
        let mut state = self.state();
        if let State::OnWire(stream) = &*state {
            let _ = stream.shutdown(Shutdown::Both);
        }
        *state = State::Cancelled;
    }

    /// Whether `cancel` has been called.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(*self.state(), State::Cancelled)
    }

    /// From here on `cancel` shuts `stream` down; fails if it came first.
    pub(super) fn attach(&self, stream: &Arc<TcpStream>) -> io::Result<()> {
        self.change(State::OnWire(Arc::clone(stream)))
    }

    /// From here on the connection is safe; fails if it has been shut down.
    pub(super) fn detach(&self) -> io::Result<()> {
        self.change(State::OffWire)
    }

    fn change(&self, to: State) -> io::Result<()> {
        let mut state = self.state();
        if matches!(*state, State::Cancelled) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cancelled"));
        }
        *state = to;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
