//! Caller-supplied threads run attempts.
//!
//! *Detached*, which is the default: every attempt is handed to an [`Executor`]; the caller parks
//! and is the timer of its own call. It returns as soon as somebody wins; losers are asked to stop
//! and finish later.
//!
//! *Inline-first*: the primary runs on the caller's thread and costs no hand-off; a hedge starts on
//! the executor only if the trigger fires. The caller is busy, so [`Alarms`] are its timer. If the
//! primary does not heed its cancel, the caller waits for it.

#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod alarm;
mod caller;
mod executor;
mod finish;
mod hear;
mod here;
mod race;
mod seat;
mod stand_aside;
#[cfg(test)]
mod tests;
mod waiting;
mod workers;

pub use executor::{Executor, Rejected, Task};
pub use workers::{Worker, Workers};

#[cfg(not(rego_loom))]
pub(crate) use alarm::Alarms;
#[cfg(rego_loom)]
pub use alarm::{Alarm, Alarms, Ring};
pub(crate) use waiting::race;
pub(crate) use workers::on_worker_thread;
