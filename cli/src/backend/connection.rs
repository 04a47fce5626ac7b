//! One client's connection: what has come in, what is on its way out.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use socket2::SockRef;
use std::time::Duration;

use super::request::{self, Front};

const MAX_INPUT: usize = 2 * 1024 * 1024;

/// A non-blocking stream with its buffers. One request is answered at a time; others wait in the
/// input.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// The answer being waited for, if any.
    pub(super) waiting: Option<Waiting>,
    pub(super) closes: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
}

/// An answer that is not due yet.
pub(super) struct Waiting {
    /// Which timer it belongs to: an older timer finds another number here.
    pub(super) serial: u64,
    /// `None` resets the connection.
    pub(super) response: Option<Vec<u8>>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (input, output) = (Vec::new(), Vec::new());
        Self { stream, waiting: None, closes: false, input, output, written: 0 }
    }

    /// Reads all there is. An error or the end of the stream means that the client is gone.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) if self.input.len() > MAX_INPUT => {
                    return Err(io::ErrorKind::OutOfMemory.into());
                }
                Ok(length) => self.input.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next request, unless an earlier one is still being answered.
    pub(super) fn next_request(&mut self) -> Front {
        if self.waiting.is_some() || !self.output.is_empty() {
            return Front::Partial;
        }
        let front = request::parse(&self.input);
        if let Front::Whole { length, .. } = front {
            self.input.drain(..length);
        }
        front
    }

    /// Queues the bytes of an answer.
    pub(super) fn send(&mut self, response: &[u8]) {
        self.output.extend_from_slice(response);
    }

    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => self.written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Whether all has been said and the connection is to close.
    pub(super) fn is_over(&self) -> bool {
        self.closes && self.output.is_empty() && self.waiting.is_none()
    }

    /// Makes closing a reset instead of a polite end.
    pub(super) fn reset_on_close(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
