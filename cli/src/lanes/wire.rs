//! One HTTP exchange after another, counted where they happen: independently of the engine.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::Account;
use crate::{
    client::{Answer, Cancel, Client, Label},
    load::Request,
};

/// Sends attempts and counts those of measured calls.
pub(super) struct Wire {
    client: Arc<Client>,
    attempts: AtomicU64,
    good: AtomicU64,
    cancelled: AtomicU64,
    running: AtomicUsize,
}

/// What the attempts of one call share.
pub(super) struct Trip {
    request: Request,
    attempts: AtomicU32,
    told: AtomicU32,
}

impl Wire {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            client,
            attempts: zero(),
            good: zero(),
            cancelled: zero(),
            running: AtomicUsize::new(0),
        }
    }

    /// One attempt, by `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`Client::fetch`].
    pub(super) fn attempt(
        &self,
        trip: &Trip,
        deadline: Instant,
        cancel: &Cancel,
    ) -> io::Result<Answer> {
        // Release, of `Running` when it is dropped: what was counted is seen once nobody runs.
        let _running = Running::enter(&self.running);
        // Relaxed, here and below: numbers and counts; the lane is read after its calls ended.
        let label = Label {
            call: trip.request.call,
            attempt: trip.attempts.fetch_add(1, Ordering::Relaxed),
            told: trip.told.load(Ordering::Relaxed),
        };
        let answer = self.client.fetch(label, deadline, cancel);
        let is_pushback = matches!(&answer, Ok(Answer { retry_after: Some(_), .. }));
        trip.told.fetch_add(u32::from(is_pushback), Ordering::Relaxed);
        if trip.request.is_measured {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            let is_given_up = cancel.is_cancelled() && Instant::now() < deadline;
            match &answer {
                Ok(answer) if is_good(answer) => self.good.fetch_add(1, Ordering::Relaxed),
                Err(_) if is_given_up => self.cancelled.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        }
        answer
    }

    /// Whether no attempt is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        // Acquire: pairs with the Release of `Running`.
        self.running.load(Ordering::Acquire) == 0
    }

    pub(super) fn account(&self) -> Account {
        Account {
            attempts: self.attempts.load(Ordering::Relaxed),
            good: self.good.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            policy: None,
        }
    }
}

impl Trip {
    pub(super) fn new(request: Request) -> Self {
        Self { request, attempts: AtomicU32::new(0), told: AtomicU32::new(0) }
    }

    pub(super) fn is_measured(&self) -> bool {
        self.request.is_measured
    }
}

pub(super) fn is_good(answer: &Answer) -> bool {
    (200..400).contains(&answer.status)
}

/// Counts an attempt for as long as it lives.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        // Relaxed: nothing has happened yet.
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Release: pairs with `Wire::is_quiet`.
        self.0.fetch_sub(1, Ordering::Release);
    }
}
