//! Extra attempts only while failures are few: gRPC's retry throttling (gRFC A6).
//!
//! One word of millionths. A failure takes 1, a success puts `token_ratio` back, extra attempts are
//! allowed while more than half is left. Successes at the full balance and failures at 0 only read.
//! Everything is Relaxed: nothing is published through the word.

use crate::sync::{AtomicU64, Ordering};

use super::token::{self, TOKEN};

/// See the module. Starts full.
#[derive(Debug)]
pub(super) struct Throttle {
    tokens: AtomicU64,
    max: AtomicU64,
    per_success: AtomicU64,
}

impl Throttle {
    pub(super) fn new(max_tokens: u32, token_ratio: f64) -> Self {
        Self {
            tokens: AtomicU64::new(token::whole(max_tokens)),
            max: AtomicU64::new(token::whole(max_tokens)),
            per_success: AtomicU64::new(token::from_f64(token_ratio)),
        }
    }

    #[inline]
    pub(super) fn succeeded(&self) {
        let (max, tokens) = (self.max(), self.tokens());
        if tokens < max {
            // Relaxed: any definition that was in force is correct.
            let gain = self.per_success.load(Ordering::Relaxed);
            self.step(tokens, |tokens| tokens.saturating_add(gain).min(max.max(tokens)));
        }
    }

    pub(super) fn failed(&self) {
        let tokens = self.tokens();
        if tokens > 0 {
            self.step(tokens, |tokens| tokens.saturating_sub(TOKEN));
        }
    }

    #[inline]
    pub(super) fn allows(&self) -> bool {
        self.tokens() > self.max() / 2
    }

    /// How many failures in a row it would take to be refused.
    pub(super) fn available(&self) -> f64 {
        token::to_f64(self.tokens().saturating_sub(self.max() / 2)).ceil()
    }

    /// Keeps the balance, as far as it fits.
    pub(super) fn redefine(&self, max_tokens: u32, token_ratio: f64) {
        let max = token::whole(max_tokens);
        // Relaxed, both: an attempt that overlaps a reload is judged by either.
        self.max.store(max, Ordering::Relaxed);
        self.per_success.store(token::from_f64(token_ratio), Ordering::Relaxed);
        self.step(self.tokens(), |tokens| tokens.min(max));
    }

    fn step(&self, mut tokens: u64, next: impl Fn(u64) -> u64) {
        if cfg!(rego_break = "budget_check_then_act") {
            // Relaxed: as below.
            return self.tokens.store(next(tokens), Ordering::Relaxed);
        }
        // Relaxed, both: see the module.
        while let Err(now) = self.tokens.compare_exchange_weak(
            tokens,
            next(tokens),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            tokens = now;
        }
    }

    fn tokens(&self) -> u64 {
        // Relaxed: see the module.
        self.tokens.load(Ordering::Relaxed)
    }

    fn max(&self) -> u64 {
        // Relaxed: any definition that was in force is correct.
        self.max.load(Ordering::Relaxed)
    }
}
