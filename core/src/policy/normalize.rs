//! Draft → policy: every default, limit, clamp and refusal there is.

use std::{fmt::Display, sync::Arc};

use super::{
    Clamp, ClassRule, Hedge, HedgeDraft, Idempotent, PerClass, Policy, PolicyDraft,
    PolicyErrorKind, PolicyErrors, Retry, RetryDraft, Strictness, Trigger, error::Fault,
};
use crate::{clock::Nanos, outcome::Class};

const MAX_ATTEMPTS: u32 = 10;
const MAX_HEDGES: u32 = 3;
const MIN_OBJECTIVE: f64 = 0.5;
const MAX_OBJECTIVE: f64 = 0.99999;
const MAX_FAN_OUT: u32 = 10_000;
const MAX_COST: u32 = 1_000;
const MAX_MULTIPLIER: f64 = 10.0;
const MIN_BACKOFF: Nanos = Nanos::from_micros(10);
const MAX_BACKOFF: Nanos = Nanos::from_secs(30);
const MIN_TIMEOUT: Nanos = Nanos::from_micros(100);
const MIN_HEDGE_DELAY: Nanos = Nanos::from_micros(100);
const MAX_NAME_BYTES: usize = 256;
/// How far out of its range a value may be before clamping it is more than a correction.
const MAX_CORRECTION: f64 = 2.0;

impl PolicyDraft {
    /// Checks the draft, fills in the defaults and puts every number into its range.
    ///
    /// # Errors
    ///
    /// Everything that makes no sense (no attempts, NaN, a negative number); under
    /// [`Strictness::Check`] also what would have to be corrected by more than a factor of 2,
    /// and hedging of requests that are not declared idempotent.
    pub fn normalize(&self, strictness: Strictness) -> Result<Policy, PolicyErrors> {
        let Normal { policy, faults, .. } = normalize(self, strictness);
        if faults.is_empty() { Ok(policy) } else { Err(faults.into_iter().collect()) }
    }
}

/// What becomes of a draft.
pub(super) struct Normal {
    /// Good only if there are no faults.
    pub(super) policy: Policy,
    pub(super) faults: Vec<Fault>,
    /// What would be a fault under [`Strictness::Check`].
    #[cfg_attr(not(feature = "documents"), allow(dead_code, reason = "for documents"))]
    pub(super) warnings: Vec<Fault>,
}

pub(super) fn normalize(draft: &PolicyDraft, strictness: Strictness) -> Normal {
    let mut rules = Rules::default();
    let idempotent = draft.idempotent.unwrap_or_default();
    let id = rules.text("id", draft.id.as_deref()).unwrap_or_default();
    let version = rules.text("version", draft.version.as_deref()).unwrap_or_default();
    let retry = rules.retry(&draft.retry);
    let mut hedge = rules.hedge(&draft.hedge);
    let hedging_refused = hedge.enabled && idempotent != Idempotent::Yes;
    if hedging_refused {
        hedge.enabled = false;
        rules.refuse_hedging();
    }
    let mode = draft.mode.unwrap_or_default();
    let normalized = rules.clamps;
    let policy =
        Policy { id, version, mode, idempotent, retry, hedge, hedging_refused, normalized };
    let (mut faults, mut warnings) = (rules.faults, rules.excesses);
    if strictness == Strictness::Check {
        faults.append(&mut warnings);
    }
    Normal { policy, faults, warnings }
}

/// What is found while a draft is being checked.
#[derive(Default)]
struct Rules {
    clamps: Vec<Clamp>,
    faults: Vec<Fault>,
    /// What can be corrected, but hardly is what was meant.
    excesses: Vec<Fault>,
}

impl Rules {
    fn retry(&mut self, draft: &RetryDraft) -> Retry {
        let default = Retry::default();
        let initial_backoff = draft.initial_backoff.map_or(default.initial_backoff, |asked| {
            self.clamp("retry.initial_backoff", asked, range(MIN_BACKOFF, MAX_BACKOFF))
        });
        let longest = range(initial_backoff, MAX_BACKOFF).least_by("retry.initial_backoff");
        let max_backoff =
            draft.max_backoff.map_or(default.max_backoff.max(initial_backoff), |asked| {
                self.clamp("retry.max_backoff", asked, longest)
            });
        let per_class = std::array::from_fn(|class| {
            self.class(&PER_CLASS[class], &draft.per_class[class], max_backoff)
        });
        Retry {
            max_attempts: self
                .attempts("retry.max_attempts", draft.max_attempts)
                .unwrap_or(default.max_attempts),
            initial_backoff,
            max_backoff,
            multiplier: draft.multiplier.map_or(default.multiplier, |asked| self.multiplier(asked)),
            jitter: draft.jitter.unwrap_or_default(),
            attempt_timeout: self
                .timeout("retry.attempt_timeout", draft.attempt_timeout)
                .unwrap_or(default.attempt_timeout),
            overall_timeout: self
                .timeout("retry.overall_timeout", draft.overall_timeout)
                .unwrap_or(default.overall_timeout),
            max_retry_after: draft.max_retry_after.unwrap_or(default.max_retry_after),
            classifier: self
                .name("retry.classifier", draft.classifier.as_deref())
                .unwrap_or(default.classifier),
            budget: self.name("retry.budget", draft.budget.as_deref()),
            cost: self.cost("retry.budget.cost", draft.cost).unwrap_or(default.cost),
            per_class,
        }
    }

    fn class(&mut self, fields: &ClassFields, rule: &ClassRule, max_backoff: Nanos) -> PerClass {
        let backoff = range(MIN_BACKOFF, max_backoff).most_by("retry.max_backoff");
        PerClass {
            max_attempts: self.attempts(fields.max_attempts, rule.max_attempts).unwrap_or(0),
            initial_backoff: rule
                .initial_backoff
                .map_or(Nanos::ZERO, |asked| self.clamp(fields.initial_backoff, asked, backoff)),
            cost: self.cost(fields.cost, rule.cost).unwrap_or(0),
        }
    }

    fn hedge(&mut self, draft: &HedgeDraft) -> Hedge {
        let default = Hedge::default();
        let trigger = draft.trigger.unwrap_or_default();
        self.trigger(trigger);
        let long = || range(MIN_HEDGE_DELAY, Nanos::NEVER);
        let min_delay = draft
            .min_delay
            .map_or(default.min_delay, |asked| self.clamp("hedge.min_delay", asked, long()));
        let longer = range(min_delay, Nanos::NEVER).least_by("hedge.min_delay");
        let max_delay = draft.max_delay.map_or(default.max_delay.max(min_delay), |asked| {
            self.clamp("hedge.max_delay", asked, longer)
        });
        Hedge {
            enabled: draft.enabled.unwrap_or(default.enabled),
            max_hedges: draft
                .max_hedges
                .map_or(default.max_hedges, |asked| self.max_hedges(asked, trigger)),
            trigger,
            delay: draft
                .delay
                .map_or(default.delay, |asked| self.clamp("hedge.delay", asked, long())),
            min_delay,
            max_delay,
            objective: draft.objective.map_or(default.objective, |asked| self.objective(asked)),
            fan_out: draft.fan_out.map_or(default.fan_out, |asked| self.fan_out(asked)),
            cancel_on_first_terminal: draft
                .cancel_on_first_terminal
                .unwrap_or(default.cancel_on_first_terminal),
            budget: self.name("hedge.budget", draft.budget.as_deref()),
            cost: self.cost("hedge.budget.cost", draft.cost).unwrap_or(default.cost),
        }
    }

    fn attempts(&mut self, field: &'static str, asked: Option<u32>) -> Option<u8> {
        let asked = asked?;
        if asked == 0 {
            let message = "0 attempts are no call".to_owned();
            self.fault(Fault::new(PolicyErrorKind::InvalidValue, field, message).suggest("1"));
        }
        Some(small(self.clamp(field, asked.max(1), range(1, MAX_ATTEMPTS))))
    }

    fn max_hedges(&mut self, asked: u32, trigger: Trigger) -> u8 {
        let field = "hedge.max_hedges";
        if asked == 0 {
            let message = "0 hedges are no hedging; hedge.enabled = false turns it off".to_owned();
            self.fault(Fault::new(PolicyErrorKind::InvalidValue, field, message));
        }
        let hedges = match trigger {
            Trigger::Load(_) => range(1, 1).most_by("hedge.trigger"),
            Trigger::Fixed | Trigger::Quantile(_) => range(1, MAX_HEDGES),
        };
        small(self.clamp(field, asked.max(1), hedges))
    }

    fn cost(&mut self, field: &'static str, asked: Option<u32>) -> Option<u16> {
        let cost = self.clamp(field, asked?, range(1, MAX_COST));
        Some(u16::try_from(cost).expect("the limit fits"))
    }

    fn multiplier(&mut self, asked: f64) -> f64 {
        let field = "retry.multiplier";
        if !asked.is_finite() || asked < 0.0 {
            let message = format!("{asked} is not a factor; 1 to 10 is");
            self.fault(Fault::new(PolicyErrorKind::InvalidValue, field, message));
            return Retry::default().multiplier;
        }
        self.clamp(field, asked, range(1.0, MAX_MULTIPLIER))
    }

    fn timeout(&mut self, field: &'static str, asked: Option<Nanos>) -> Option<Nanos> {
        Some(self.clamp(field, asked?, range(MIN_TIMEOUT, Nanos::NEVER)))
    }

    fn trigger(&mut self, trigger: Trigger) {
        let (share, good, range) = match trigger {
            Trigger::Fixed => return,
            Trigger::Quantile(p) => (p, p > 0.0 && p < 1.0, "above 0 and below 1"),
            Trigger::Load(x) => (x, x > 0.0 && x <= 1.0, "above 0 and at most 1"),
        };
        if good {
            return;
        }
        let message = format!("{trigger} is no share; it must be {range}");
        let mut fault = Fault::new(PolicyErrorKind::InvalidValue, "hedge.trigger", message);
        fault.suggestion = per_cent(share);
        self.fault(fault);
    }

    fn objective(&mut self, asked: f64) -> f64 {
        let field = "hedge.objective";
        if !(asked > 0.0 && asked < 1.0) {
            let message = format!("{asked} is no percentile; 0.5 to 0.99999 is");
            let mut fault = Fault::new(PolicyErrorKind::InvalidValue, field, message);
            fault.suggestion = per_cent(asked);
            self.fault(fault);
            return Hedge::default().objective;
        }
        self.clamp(field, asked, range(MIN_OBJECTIVE, MAX_OBJECTIVE))
    }

    fn fan_out(&mut self, asked: u32) -> u32 {
        let field = "hedge.fan_out";
        if asked == 0 {
            let message = "a request of 0 calls is none".to_owned();
            self.fault(Fault::new(PolicyErrorKind::InvalidValue, field, message).suggest("1"));
        }
        self.clamp(field, asked.max(1), range(1, MAX_FAN_OUT))
    }

    fn refuse_hedging(&mut self) {
        let message = "hedging repeats requests and needs `idempotent = true`".to_owned();
        self.excesses.push(
            Fault::new(PolicyErrorKind::NotIdempotent, "hedge.enabled", message)
                .against("idempotent"),
        );
    }

    /// A name that may be empty.
    fn text(&mut self, field: &'static str, asked: Option<&str>) -> Option<Arc<str>> {
        let text = asked?;
        let wrong = if text.len() > MAX_NAME_BYTES {
            format!("at most {MAX_NAME_BYTES} bytes, this has {}", text.len())
        } else if text.chars().any(char::is_control) {
            "control characters are not allowed".to_owned()
        } else {
            return Some(text.into());
        };
        self.fault(Fault::new(PolicyErrorKind::InvalidValue, field, wrong));
        None
    }

    fn name(&mut self, field: &'static str, asked: Option<&str>) -> Option<Arc<str>> {
        if asked.is_some_and(|name| name.trim().is_empty()) {
            let message = "a name must not be empty".to_owned();
            self.fault(Fault::new(PolicyErrorKind::InvalidValue, field, message));
        }
        self.text(field, asked)
    }

    /// Puts a value into its range and tells so.
    fn clamp<T: Amount>(&mut self, field: &'static str, asked: T, range: Range<T>) -> T {
        let (used, side, by) = if asked < range.least {
            (range.least, "least", range.least_by)
        } else if asked > range.most {
            (range.most, "most", range.most_by)
        } else {
            return asked;
        };
        self.clamps.push(Clamp { field, asked: asked.to_string(), used: used.to_string() });
        let (low, high) = if asked < used { (asked, used) } else { (used, asked) };
        if high.value() > low.value() * MAX_CORRECTION {
            let why = by.map_or_else(String::new, |field| format!(" ({field})"));
            let message = format!("{asked} is far out of range, the {side} is {used}{why}");
            let fault = Fault::new(PolicyErrorKind::OutOfRange, field, message);
            self.excesses.push(Fault { against: by, ..fault }.suggest(T::written(used)));
        }
        used
    }

    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }
}

fn small(count: u32) -> u8 {
    u8::try_from(count).expect("the limit fits")
}

/// A share that was written in percent, as it should be.
pub(super) fn per_cent(share: f64) -> Option<String> {
    // Rounded, so that 99.9 gives 0.999.
    ((2.0..=100.0).contains(&share)).then(|| ((share * 1e4).round() / 1e6).to_string())
}

/// Where a number may lie, and which other field says so.
struct Range<T> {
    least: T,
    least_by: Option<&'static str>,
    most: T,
    most_by: Option<&'static str>,
}

const fn range<T>(least: T, most: T) -> Range<T> {
    Range { least, least_by: None, most, most_by: None }
}

impl<T> Range<T> {
    const fn least_by(mut self, field: &'static str) -> Self {
        self.least_by = Some(field);
        self
    }

    const fn most_by(mut self, field: &'static str) -> Self {
        self.most_by = Some(field);
        self
    }
}

/// A number with a range.
trait Amount: Copy + PartialOrd + Display {
    fn value(self) -> f64;

    /// As it is written in a document.
    fn written(self) -> String {
        self.to_string()
    }
}

impl Amount for u32 {
    fn value(self) -> f64 {
        f64::from(self)
    }
}

impl Amount for f64 {
    fn value(self) -> f64 {
        self
    }
}

impl Amount for Nanos {
    fn value(self) -> f64 {
        self.as_secs_f64()
    }

    fn written(self) -> String {
        format!("\"{self}\"")
    }
}

/// The names of a class's fields, as written in a document.
pub(super) struct ClassFields {
    /// The table they stand in.
    #[cfg_attr(not(feature = "documents"), allow(dead_code, reason = "for documents"))]
    pub(super) table: &'static str,
    /// What their names begin with.
    #[cfg_attr(not(feature = "documents"), allow(dead_code, reason = "for documents"))]
    pub(super) prefix: &'static str,
    pub(super) max_attempts: &'static str,
    pub(super) initial_backoff: &'static str,
    pub(super) cost: &'static str,
}

macro_rules! class_fields {
    ($class:literal) => {
        ClassFields {
            table: concat!("retry.per_class.", $class),
            prefix: concat!("retry.per_class.", $class, "."),
            max_attempts: concat!("retry.per_class.", $class, ".max_attempts"),
            initial_backoff: concat!("retry.per_class.", $class, ".initial_backoff"),
            cost: concat!("retry.per_class.", $class, ".cost"),
        }
    };
}

/// In the order of [`Class::ALL`].
pub(super) const PER_CLASS: [ClassFields; Class::ALL.len()] = [
    class_fields!("unknown"),
    class_fields!("transient"),
    class_fields!("throttled"),
    class_fields!("timeout"),
    class_fields!("not_sent"),
    class_fields!("server"),
];
