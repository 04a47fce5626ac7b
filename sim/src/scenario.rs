//! What is simulated: load, clients, servers and what goes wrong with them, read from TOML.

use std::fmt;

use rego::Nanos;
use serde::Deserialize;

use crate::{span::Span, times::Times};

/// A scenario: everything of a simulation but the policies and the seed.
///
/// ```
/// let scenario = rego_sim::Scenario::parse(
///     r#"
///     duration = "10s"
///     arrivals = { rate = 100.0 }
///     [service]
///     times = { dist = "exponential", mean = "5ms" }
///     "#,
/// )?;
/// assert_eq!(scenario.clients, 1);
/// # Ok::<(), rego_sim::ScenarioError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in one line.
    #[serde(default)]
    pub about: String,
    /// For how long calls arrive, warm-up included; those in the air then are followed to their
    /// end.
    pub duration: Span,
    /// Calls that arrive before this are made and not measured.
    #[serde(default)]
    pub warm_up: Span,
    /// The key that policies are asked for.
    #[serde(default = "default_key")]
    pub key: String,
    /// How many client processes there are, each with an engine of its own.
    #[serde(default = "one")]
    pub clients: usize,
    /// Where calls come from.
    pub arrivals: Arrivals,
    /// How many calls a request makes at once; it is done when all of them are.
    #[serde(default = "one")]
    pub fan_out: usize,
    /// Until when a caller waits; the policy's overall timeout holds besides.
    pub deadline: Option<Span>,
    /// The service that is called.
    pub service: Service,
    /// The services behind it, each called by the one before: an attempt there ends with its call
    /// here.
    #[serde(default)]
    pub behind: Vec<Service>,
    /// What goes wrong, and when.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// Where calls come from: an open loop with a `rate`, or a closed one with `workers`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Arrivals {
    /// Requests per second over all clients, whatever becomes of them.
    pub rate: Option<f64>,
    /// Evenly spaced instead of at random (Poisson).
    pub even: bool,
    /// So many workers, each of which makes its next request when its last is done.
    pub workers: Option<usize>,
    /// How long a worker pauses between two.
    pub think: Span,
    /// At most so many requests.
    pub requests: Option<u64>,
}

/// A service: some servers that are alike.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// How long a server works on an attempt.
    pub times: Times,
    /// What makes attempts slow now and then.
    #[serde(default)]
    pub stragglers: Vec<Stragglers>,
    /// How attempts share a server.
    #[serde(default)]
    pub queue: Queue,
    /// How many servers there are.
    #[serde(default = "one")]
    pub servers: usize,
    /// How many attempts a server works on at a time.
    #[serde(default = "one")]
    pub slots: usize,
    /// Which server an attempt goes to. A hedge and a retry go to another one, if there is one.
    #[serde(default)]
    pub balance: Balance,
    /// More attempts than this in a server's queue are turned away with 503.
    pub queue_limit: Option<usize>,
    /// An attempt that its client has given up leaves its server at once. Else the server does the
    /// work in vain.
    #[serde(default = "yes")]
    pub cancel: bool,
    /// A server does not begin an attempt whose deadline has passed.
    #[serde(default)]
    pub drop_expired: bool,
    /// The share of attempts that fail with 503, after their full time.
    #[serde(default)]
    pub failures: f64,
}

/// Slow attempts: one in so many takes so many times as long, or so much longer.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Stragglers {
    /// How often.
    pub probability: f64,
    /// How many times as long.
    #[serde(default = "unit")]
    pub factor: f64,
    /// How much longer.
    #[serde(default)]
    pub extra: Span,
    /// The request itself is slow, wherever it is sent: all attempts of its call are.
    #[serde(default)]
    pub correlated: bool,
}

/// How attempts share a server.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// First come, first served.
    #[default]
    Fifo,
    /// All at once, each the slower the more there are.
    Shared,
    /// They do not meet: every attempt takes its own time, whatever the load. This flatters
    /// hedging.
    None,
}

/// Which server an attempt goes to.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Any.
    #[default]
    Random,
    /// One after the other.
    RoundRobin,
    /// The shorter queue of two.
    TwoChoices,
}

/// Something that goes wrong with the service that is called, or one behind it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// From when …
    #[serde(default)]
    pub from: Span,
    /// … until when, or to the end.
    pub to: Option<Span>,
    /// How many times as long attempts take; for `slow`.
    #[serde(default = "unit")]
    pub factor: f64,
    /// The share of attempts it befalls.
    #[serde(default = "unit")]
    pub share: f64,
    /// The servers it befalls; all of them if none is named.
    #[serde(default)]
    pub servers: Vec<usize>,
    /// How far behind the service is: 0 is the one that is called.
    #[serde(default)]
    pub layer: usize,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Attempts take `factor` times as long.
    Slow,
    /// Attempts are refused with 503 after a millisecond.
    Errors,
    /// Attempts get lost on their way: nobody ever answers.
    Lost,
    /// Servers stand still; what arrives waits.
    Stopped,
}

/// What is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError(String);

impl ScenarioError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}

/// More calls than this are more than one wants to wait for.
const MOST_CALLS: f64 = 2e8;

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// The place and the field that is wrong.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)
            .map_err(|error| ScenarioError(error.to_string().trim_end().to_owned()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// What single fields cannot know.
    ///
    /// # Errors
    ///
    /// The field that is wrong, and why.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let wrong = |message: String| Err(ScenarioError(message));
        if self.duration.0 == Nanos::ZERO || self.warm_up >= self.duration {
            return wrong("`duration` must be longer than `warm_up`, and not 0".into());
        }
        if self.clients == 0 || self.fan_out == 0 {
            return wrong("`clients` and `fan_out` must be 1 or more".into());
        }
        self.arrivals.check(self.duration, self.fan_out)?;
        for (layer, service) in self.services().enumerate() {
            service.check().map_err(|error| {
                let place = match layer.checked_sub(1) {
                    None => "service".to_owned(),
                    Some(nth) => format!("behind[{nth}]"),
                };
                ScenarioError(format!("{place}: {error}"))
            })?;
        }
        let layers = 1 + self.behind.len();
        for (nth, fault) in self.faults.iter().enumerate() {
            fault
                .check(layers, &self.services().collect::<Vec<_>>())
                .map_err(|error| ScenarioError(format!("faults[{nth}]: {error}")))?;
        }
        Ok(())
    }

    /// The service that is called, and those behind it.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        std::iter::once(&self.service).chain(&self.behind)
    }

    /// The share of its time that a server would be busy with first attempts alone; `None` where
    /// attempts do not meet, or the loop is closed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn utilisation(&self) -> Option<f64> {
        let rate = self.arrivals.rate?;
        if self.service.queue == Queue::None {
            return None;
        }
        let mean = self.service.mean().ok()? / 1e9;
        let places = (self.service.servers * self.service.slots) as f64;
        Some(rate * self.fan_out as f64 * mean / places)
    }

    /// Sets the rate at which servers are busy for this share of their time with first attempts.
    ///
    /// # Errors
    ///
    /// Where attempts do not meet there is no such rate.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn load(&mut self, utilisation: f64) -> Result<(), ScenarioError> {
        if self.service.queue == Queue::None {
            return Err(ScenarioError("`queue = \"none\"` has no load to set".into()));
        }
        let mean = self.service.mean()? / 1e9;
        let places = (self.service.servers * self.service.slots) as f64;
        let rate = utilisation * places / mean / self.fan_out as f64;
        self.arrivals.rate = Some(rate);
        self.arrivals.workers = None;
        Ok(())
    }
}

impl Arrivals {
    #[expect(clippy::cast_precision_loss, reason = "a limit, not a figure")]
    fn check(&self, duration: Span, fan_out: usize) -> Result<(), ScenarioError> {
        let wrong = |message: &str| Err(ScenarioError(message.to_owned()));
        match (self.rate, self.workers) {
            (Some(rate), None) if rate > 0.0 && rate.is_finite() => {
                let calls = rate * duration.0.as_secs_f64() * fan_out as f64;
                if calls > MOST_CALLS {
                    return wrong("arrivals: more than 200 million calls");
                }
                Ok(())
            }
            (Some(_), None) => wrong("arrivals: `rate` must be above 0"),
            (None, Some(workers)) if (1..=1_000_000).contains(&workers) => Ok(()),
            (None, Some(_)) => wrong("arrivals: `workers` must be from 1 to a million"),
            _ => wrong("arrivals: wants `rate` (an open loop) or `workers` (a closed one)"),
        }
    }
}

impl Service {
    /// How long an attempt takes on average, in nanoseconds, stragglers included.
    fn mean(&self) -> Result<f64, ScenarioError> {
        let source = self.times.source().map_err(|error| ScenarioError(error.to_string()))?;
        let mean = self.stragglers.iter().fold(source.mean(), |mean, slow| {
            mean * (1.0 + slow.probability * (slow.factor - 1.0))
                + slow.probability * slow.extra.nanos()
        });
        Ok(mean)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        self.times.source().map_err(|error| ScenarioError(format!("times: {error}")))?;
        let wrong = |message: &str| Err(ScenarioError(message.to_owned()));
        if self.servers == 0 || self.slots == 0 {
            return wrong("`servers` and `slots` must be 1 or more");
        }
        for slow in &self.stragglers {
            if !(is_share(slow.probability) && slow.factor >= 0.0 && slow.factor.is_finite()) {
                return wrong("stragglers: `probability` is from 0 to 1, `factor` 0 or more");
            }
        }
        if !is_share(self.failures) {
            return wrong("`failures` is a share from 0 to 1");
        }
        Ok(())
    }
}

impl Fault {
    fn check(&self, layers: usize, services: &[&Service]) -> Result<(), ScenarioError> {
        let wrong = |message: String| Err(ScenarioError(message));
        if self.layer >= layers {
            return wrong(format!("there is no layer {}", self.layer));
        }
        if !(is_share(self.share) && self.factor > 0.0 && self.factor.is_finite()) {
            return wrong("`share` is from 0 to 1, `factor` above 0".into());
        }
        let servers = services[self.layer].servers;
        match self.servers.iter().find(|server| **server >= servers) {
            Some(server) => wrong(format!("there is no server {server}, they count from 0")),
            None => Ok(()),
        }
    }
}

fn is_share(number: f64) -> bool {
    (0.0..=1.0).contains(&number)
}

fn default_key() -> String {
    "backend.get".to_owned()
}

const fn one() -> usize {
    1
}

const fn unit() -> f64 {
    1.0
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "duration = '10s'\narrivals = { rate = 100.0 }\n[service]\n\
        times = { dist = 'exponential', mean = '5ms' }\n";

    #[test]
    fn load_and_rate_belong_together() {
        let mut scenario = Scenario::parse(SMALL).expect("well-formed");
        assert_eq!(scenario.utilisation(), Some(0.5));
        scenario.service.servers = 10;
        scenario.load(0.8).expect("a queue");
        assert!((scenario.arrivals.rate.expect("open") - 1_600.0).abs() < 1e-6);
        scenario.service.stragglers.push(Stragglers {
            probability: 0.01,
            factor: 21.0,
            extra: Span::default(),
            correlated: false,
        });
        assert!((scenario.utilisation().expect("a queue") - 0.96).abs() < 1e-9);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            (SMALL.replace("duration", "length"), "length"),
            (SMALL.replace("'10s'", "10"), "did you mean \"10ms\"?"),
            (SMALL.replace("100.0", "-1.0"), "`rate` must be above 0"),
            (SMALL.replace("rate = 100.0", ""), "wants `rate`"),
            (format!("{SMALL}servers = 0\n"), "service: `servers`"),
            (
                format!("{SMALL}[[faults]]\nkind = 'slow'\nlayer = 1\n"),
                "faults[0]: there is no layer",
            ),
            (format!("{SMALL}[[faults]]\nkind = 'slow'\nservers = [1]\n"), "no server 1"),
            (format!("{SMALL}[[faults]]\nkind = 'fire'\n"), "fire"),
        ] {
            let error = Scenario::parse(&text).expect_err(&text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
