//! A lane: what guards the calls of a simulation.

use std::sync::Arc;

use rego::{Document, Format, Key, Matched, Timeline};

use crate::{
    host::{Client, Rego},
    outcome::Outcome,
    scenario::{Scenario, ScenarioError},
    twin::{Twin, TwinRules},
    world::World,
};

/// What guards the calls of a simulation: the engine under a policy document, or a peer's twin.
#[derive(Clone, Debug)]
pub struct Lane {
    /// What it is called in reports.
    pub name: String,
    guard: Guard,
}

#[derive(Clone, Debug)]
enum Guard {
    Document(Arc<Document>),
    Twin(TwinRules),
}

/// One plain attempt for each call.
const NO_POLICY: &str = "schema = 1\n[defaults.retry]\nmax_attempts = 1\n";

impl Lane {
    /// The engine under a policy document.
    #[must_use]
    pub fn document(name: &str, document: Document) -> Self {
        Self { name: name.to_owned(), guard: Guard::Document(Arc::new(document)) }
    }

    /// The engine under a policy document that is written down here, in TOML.
    ///
    /// # Errors
    ///
    /// What is wrong with the document.
    pub fn toml(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let document = Document::check(text, Format::Toml, name);
        let document = document.map_err(|errors| ScenarioError::new(errors.to_string()))?;
        Ok(Self::document(name, document))
    }

    /// The engine under a policy of one attempt.
    #[must_use]
    pub fn no_policy() -> Self {
        Self::toml("no policy", NO_POLICY).expect("it is well-formed")
    }

    /// What another library would do.
    #[must_use]
    pub fn twin(name: &str, rules: TwinRules) -> Self {
        Self { name: name.to_owned(), guard: Guard::Twin(rules) }
    }

    /// Runs a scenario with this lane as the guard of its calls. The same seed gives the same
    /// outcome, to the bit, and the same luck to the calls of every lane.
    ///
    /// # Errors
    ///
    /// What is wrong with the scenario, or with the names in the document.
    pub fn run(&self, scenario: &Scenario, seed: u64) -> Result<Outcome, ScenarioError> {
        Ok(World::new(scenario, self, seed)?.run())
    }

    /// As [`Lane::run`], and tells what happened in the slowest of the calls that are measured;
    /// `None` of a twin. Takes longer: every call is kept until it is done.
    ///
    /// # Errors
    ///
    /// As [`Lane::run`].
    pub fn run_telling(
        &self,
        scenario: &Scenario,
        seed: u64,
    ) -> Result<(Outcome, Option<Timeline>), ScenarioError> {
        Ok(World::new(scenario, self, seed)?.run_telling())
    }

    pub(crate) fn client(&self, key: &str, seed: u64) -> Result<Client, ScenarioError> {
        match &self.guard {
            Guard::Document(document) => {
                let parsed =
                    Key::parse(key).map_err(|error| ScenarioError::new(error.to_string()))?;
                if document.resolve(&parsed).1 == Matched::Nothing {
                    let message = format!("{}: nothing in it is for the key {key:?}", self.name);
                    return Err(ScenarioError::new(message));
                }
                Ok(Client::Rego(Box::new(Rego::new(document, key, seed)?)))
            }
            Guard::Twin(rules) => Ok(Client::Twin(Box::new(Twin::new(rules, seed)))),
        }
    }
}
