//! Caller-supplied threads run attempts.
//!
//! Every attempt is handed to an [`Executor`]; the caller parks and is the timer of its own call.
//! It returns as soon as somebody wins; losers are asked to stop and finish later.

mod executor;
mod race;
mod seat;
mod waiting;
mod workers;

pub use executor::{Executor, Rejected, Task};
pub use workers::{Worker, Workers};

pub(crate) use waiting::race;
pub(crate) use workers::on_worker_thread;
