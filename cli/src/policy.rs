//! The policy of the lanes that have one: the built-in one, or a document's.

use std::{fs, path::Path, time::Duration};

use rego::{Document, Engine, EngineBuilder, Format, Key, Matched, Policy, PolicyErrors};

use crate::lanes::OVERALL_TIMEOUT;

/// The key under which all calls are made.
pub(crate) const KEY: &str = "backend.get";

/// Hedges wait this long while the trigger knows too little.
const COLD_DELAY: Duration = Duration::from_millis(20);

/// Where the policy comes from.
#[derive(Debug)]
pub(crate) enum Plan {
    BuiltIn,
    Document(Box<Document>),
}

impl Plan {
    /// Reads and checks a document; the built-in policy without one.
    ///
    /// # Errors
    ///
    /// One line: what is wrong with the file or, first of all, with what is in it.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, String> {
        let plan = match path {
            None => Self::BuiltIn,
            Some(path) => Self::Document(Box::new(read(path)?)),
        };
        // What only an engine knows: which names are defined, and the mode.
        plan.engine(Engine::builder())?;
        Ok(plan)
    }

    /// An engine with the policy in force.
    ///
    /// # Errors
    ///
    /// One line: a name that is not defined, or a variable with an unknown value.
    pub(crate) fn engine(&self, builder: EngineBuilder) -> Result<Engine, String> {
        match self {
            Self::BuiltIn => {
                builder.policy(KEY, built_in()).build().map_err(|error| error.to_string())
            }
            Self::Document(document) => {
                let engine = builder.build().map_err(|error| error.to_string())?;
                engine.load(document).map_err(|errors| first(&errors))?;
                Ok(engine)
            }
        }
    }
}

/// Three attempts, a tenth of what succeeds for retries; hedges for the slowest twentieth, and so
/// a twentieth of the calls for hedges.
fn built_in() -> Policy {
    Policy::http()
        .id("built-in")
        .overall_timeout(OVERALL_TIMEOUT)
        .idempotent(true)
        .hedge_quantile(0.95)
        .hedge_delay(COLD_DELAY)
        .build()
        .expect("every value is in its range")
}

fn read(path: &Path) -> Result<Document, String> {
    let name = path.display().to_string();
    let format = Format::of(path)
        .ok_or_else(|| format!("{name}: a policy document's name ends in .toml or .json"))?;
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let document =
        Document::check(&text, format, name.as_str()).map_err(|errors| first(&errors))?;
    let key = Key::parse(KEY).expect("the key is well formed");
    match document.resolve(&key) {
        (_, Matched::Nothing) => Err(format!(
            "{name}: nothing in it is for {KEY:?}, the key of this program's calls: \
             add [policies.{KEY:?}] or [defaults]"
        )),
        _ => Ok(document),
    }
}

fn first(errors: &PolicyErrors) -> String {
    match errors.iter().next() {
        None => "the policy is wrong".to_owned(),
        Some(error) if errors.len() == 1 => error.to_string(),
        Some(error) => format!("{error} (and {} more)", errors.len() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_hedges_within_a_twentieth() {
        let engine = Plan::BuiltIn.engine(Engine::builder()).expect("it is well formed");
        let site = engine.site(KEY);
        assert!(site.policy().hedging());
        assert_eq!(site.policy().max_attempts(), 3);
        let hedge = site.budgets().hedge.expect("it hedges");
        assert_eq!((hedge.bound, hedge.granted), (5.0, 0));
    }
}
