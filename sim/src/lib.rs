//! The engine in virtual time: one thread, one seed, many calls.
//!
//! A [`Scenario`] says what load comes from where, which servers it meets, and what goes wrong with
//! them. A [`Lane`] guards its calls: the engine itself, on its event loop ([`rego::manual`]), under
//! a policy document; so budgets, latencies, triggers, timers and the machine of a call are those
//! that run in production. Nothing of them is written again here. The invariants of a call are
//! looked at in every step.
//!
//! The same seed gives the same outcome, to the bit, and the same luck to every lane: the service
//! time of an attempt depends on the seed, the number of its call and its own number alone, so
//! lanes can be compared call by call.
//!
//! ```
//! use rego_sim::{Lane, Scenario};
//!
//! let scenario = Scenario::parse(
//!     r#"
//!     duration = "20s"
//!     warm_up = "5s"
//!     arrivals = { rate = 200.0 }
//!     [service]
//!     servers = 10
//!     times = { dist = "lognormal", mean = "5ms", sd = "2ms" }
//!     stragglers = [{ probability = 0.05, factor = 10.0 }]
//!     "#,
//! )?;
//! let hedged = Lane::toml(
//!     "hedged",
//!     "schema = 1\n[defaults]\nidempotent = true\n\
//!      [defaults.hedge]\nenabled = true\ntrigger = { load = 0.05 }\n",
//! )?;
//! let (plain, hedged) = (Lane::no_policy().run(&scenario, 1)?, hedged.run(&scenario, 1)?);
//! assert!(hedged.quantile(0.99) < plain.quantile(0.99));
//! assert!(hedged.load() < 1.06);
//! # Ok::<(), rego_sim::ScenarioError>(())
//! ```

#![forbid(unsafe_code)]

mod agenda;
mod audit;
mod draw;
mod host;
mod lane;
mod outcome;
pub mod page;
pub mod plot;
mod scenario;
mod servers;
mod span;
pub mod study;
mod times;
mod twin;
mod world;

pub use host::Hedging;
pub use lane::Lane;
pub use outcome::{Outcome, Second, Spending};
pub use scenario::{
    Arrivals, Balance, Fault, FaultKind, Queue, Scenario, ScenarioError, Service, Stragglers,
};
pub use span::{Span, unit};
pub use times::{Part, Times, WrongTimes};
pub use twin::{Overtaken, Percentile, TwinBudget, TwinRules, TwinTrigger};
