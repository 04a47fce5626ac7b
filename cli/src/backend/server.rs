//! The event loop: accepts, reads, waits until an answer is due, writes.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, TcpStream},
};

use super::{
    Shared,
    connection::{Connection, Waiting},
    lane::refuse,
    request::{Front, Request},
};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// How soon to accept again after the process ran out of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// The loop's own state; everything here belongs to one thread.
pub(super) struct Server {
    poll: Poll,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    due: BinaryHeap<Reverse<Due>>,
    last_serial: u64,
    accept_again: bool,
}

/// A timer: ordered by time, then by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    serial: u64,
    index: usize,
}

impl Server {
    /// A server on a free port of 127.0.0.1, and what wakes its loop.
    pub(super) fn bind() -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let server = Self {
            poll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            last_serial: 0,
            accept_again: false,
        };
        Ok((server, waker))
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until stopped.
    pub(super) fn run(mut self, shared: &Shared) {
        let mut events = Events::with_capacity(1024);
        while !shared.is_stopped() {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            if self.accept_again {
                self.accept();
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Token(index) => self.on_ready(index, shared),
                }
            }
            self.answer_due(shared);
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let next = self.due.peek().map(|Reverse(due)| due.at.duration_since(Instant::now()));
        if self.accept_again {
            return Some(next.unwrap_or(ACCEPT_AGAIN).min(ACCEPT_AGAIN));
        }
        next
    }

    fn accept(&mut self) {
        self.accept_again = false;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.welcome(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(_) => {
                    self.accept_again = true;
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self.poll.registry().register(&mut stream, Token(index), interest) {
            Ok(()) => self.connections[index] = Some(Connection::new(stream)),
            Err(_) => self.free.push(index),
        }
    }

    fn on_ready(&mut self, index: usize, shared: &Shared) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let alive = connection.fill().and_then(|()| connection.flush()).is_ok();
        if alive {
            self.proceed(index, shared);
        } else {
            self.close(index, shared);
        }
    }

    /// Takes up the requests that have come in whole, until one has to wait.
    fn proceed(&mut self, index: usize, shared: &Shared) {
        while let Some(connection) = self.connections[index].as_mut() {
            if connection.is_over() {
                return self.close(index, shared);
            }
            match connection.next_request() {
                Front::Partial => return,
                Front::Whole { request, .. } => return self.take_up(index, &request, shared),
                Front::Bad(status) => {
                    connection.closes = true;
                    connection.send(&refuse(status));
                    if connection.flush().is_err() {
                        return self.close(index, shared);
                    }
                }
            }
        }
    }

    fn take_up(&mut self, index: usize, request: &Request, shared: &Shared) {
        let now = Instant::now();
        let reply = shared.lane().decide(request, now);
        self.last_serial += 1;
        let serial = self.last_serial;
        if let Some(connection) = self.connections[index].as_mut() {
            connection.closes = !request.keep_alive;
            connection.waiting = Some(Waiting { serial, response: reply.response });
            self.due.push(Reverse(Due { at: now + reply.after, serial, index }));
        }
    }

    fn answer_due(&mut self, shared: &Shared) {
        let now = Instant::now();
        while let Some(Reverse(due)) = self.due.peek().copied()
            && due.at <= now
        {
            self.due.pop();
            self.answer(due, shared);
        }
    }

    fn answer(&mut self, due: Due, shared: &Shared) {
        let Some(connection) = self.connections[due.index].as_mut() else { return };
        let Some(waiting) = connection.waiting.take_if(|waiting| waiting.serial == due.serial)
        else {
            return;
        };
        let Some(response) = waiting.response else {
            connection.reset_on_close();
            return self.close(due.index, shared);
        };
        connection.send(&response);
        match connection.flush() {
            Ok(()) => self.proceed(due.index, shared),
            Err(_) => self.close(due.index, shared),
        }
    }

    /// Forgets a connection; the answer it waited for is dropped with it.
    fn close(&mut self, index: usize, shared: &Shared) {
        let Some(mut connection) = self.connections[index].take() else { return };
        if connection.waiting.is_some() {
            shared.lane().count_cancelled();
        }
        let _ = self.poll.registry().deregister(&mut connection.stream);
        self.free.push(index);
    }
}
