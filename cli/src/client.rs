//! A blocking HTTP client on ordinary sockets: kept-alive connections, deadlines, cancellation.

mod cancel;
mod response;
mod target;
#[cfg(test)]
mod tests;

use std::{
    fmt::Write as _,
    io::{self, Write},
    net::TcpStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(crate) use cancel::Cancel;
pub(crate) use response::Answer;
pub(crate) use target::{Target, Url};

use crate::backend::{ATTEMPT_HEADER, CALL_HEADER, TOLD_HEADER};
use response::Reader;

/// A connection that lay idle for longer may have been closed by the server: it is not used again.
const MAX_IDLE: Duration = Duration::from_secs(1);

/// Sends `GET` requests to one target. Shared by all threads of a run.
#[derive(Debug)]
pub(crate) struct Client {
    target: Target,
    idle: Mutex<Vec<Idle>>,
}

/// What tells the attempts of one call apart, for the server to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) call: u64,
    pub(crate) attempt: u32,
    /// How many pushbacks of this call have been read so far.
    pub(crate) told: u32,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Debug)]
struct Connection {
    stream: Arc<TcpStream>,
    reader: Reader,
}

impl Client {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, idle: Mutex::new(Vec::new()) }
    }

    /// One request and its answer, by `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// `TimedOut` at the deadline, `ConnectionAborted` when cancelled, `ConnectionReset` when the
    /// server closed the connection instead of answering, `InvalidData` for an answer that is not
    /// HTTP, and whatever the socket says.
    pub(crate) fn fetch(
        &self,
        label: Label,
        deadline: Instant,
        cancel: &Cancel,
    ) -> io::Result<Answer> {
        let mut connection = match self.reuse() {
            Some(connection) => connection,
            None => self.connect(deadline)?,
        };
        cancel.attach(&connection.stream)?;
        let answer = self.exchange(&mut connection, label, deadline);
        cancel.detach()?;
        let answer = answer?;
        if answer.keep_alive {
            self.idle().push(Idle { connection, since: Instant::now() });
        }
        Ok(answer)
    }

    /// The connection used last: it is the least likely to have gone stale.
    fn reuse(&self) -> Option<Connection> {
        let mut idle = self.idle();
        let last = idle.pop()?;
        if last.since.elapsed() <= MAX_IDLE {
            return Some(last.connection);
        }
        idle.clear();
        None
    }

    fn connect(&self, deadline: Instant) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&self.target.address, remaining(deadline)?)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: Arc::new(stream), reader: Reader::default() })
    }

    fn exchange(
        &self,
        connection: &mut Connection,
        label: Label,
        deadline: Instant,
    ) -> io::Result<Answer> {
        let mut request = String::with_capacity(256);
        let Target { path, host, .. } = &self.target;
        let Label { call, attempt, told } = label;
        let _ = write!(
            request,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: rego\r\naccept: */*\r\n\
             {CALL_HEADER}: {call}\r\n{ATTEMPT_HEADER}: {attempt}\r\n{TOLD_HEADER}: {told}\r\n\r\n"
        );
        let Connection { stream, reader } = connection;
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        (&**stream).write_all(request.as_bytes()).map_err(in_time)?;
        reader.read_answer(&mut Timed { stream, deadline })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads from a stream until a deadline.
struct Timed<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl io::Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(remaining(self.deadline)?))?;
        io::Read::read(&mut self.stream, bytes).map_err(in_time)
    }
}

/// The time left, which a socket's timeout wants to be more than nothing.
fn remaining(deadline: Instant) -> io::Result<Duration> {
    match deadline.checked_duration_since(Instant::now()) {
        Some(left) if !left.is_zero() => Ok(left),
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A socket's timeout shows as `WouldBlock`.
fn in_time(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}
