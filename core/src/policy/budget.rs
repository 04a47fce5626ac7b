//! What a budget is defined as; the balances live in the `budget` room.

use std::time::Duration;

/// The definition of a budget: how many extra attempts (retries, hedges) may be paid for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Budget {
    /// Allows all.
    Unlimited,
    /// Grants in any window ≤ `capacity` + `refill_per_sec` × its length, exactly (GCRA).
    TokenBucket {
        /// The largest burst, in attempts.
        capacity: u32,
        /// Attempts per second.
        refill_per_sec: f64,
    },
    /// A share of what the server answers.
    Ratio {
        /// Extra attempts per answered call.
        ratio: f64,
        /// How long an answer counts towards the ceiling of the balance.
        window: Duration,
        /// The highest ceiling, in attempts.
        cap: u32,
        /// Granted on top per second, while the site is healthy.
        min_per_sec: f64,
        /// What deposits.
        funding: Funding,
    },
    /// Extra attempts in flight ≤ max(`ratio` × calls in flight, `min`).
    InFlight {
        /// Share of the calls in flight.
        ratio: f64,
        /// Always allowed.
        min: u32,
    },
    /// At most this many extra attempts at once.
    Concurrency {
        /// How many.
        max: u32,
    },
    /// −1 per failure, +`token_ratio` per success, extra attempts only above half (gRPC's
    /// retry throttling, gRFC A6).
    Throttle {
        /// The full balance.
        max_tokens: u32,
        /// What a success puts back.
        token_ratio: f64,
    },
}

/// What deposits into a ratio budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Funding {
    /// A call whose first attempt the server answered. An outage does not fund its own retries.
    #[default]
    Successes,
    /// Every call, whatever becomes of it (as most libraries do).
    Requests,
}
