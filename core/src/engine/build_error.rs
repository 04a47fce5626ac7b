//! Why an engine cannot be built.

use std::{error, fmt};

use super::builder::MODE_VARIABLE;
use crate::{classify::ClassifierError, key::KeyError, policy::PolicyErrors};

/// Why an engine cannot be built, or a policy not be put in force.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BuildError {
    /// A policy's key is no key, nor `namespace.*`.
    Key {
        /// What was given.
        key: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A budget's definition is wrong.
    Budget {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: PolicyErrors,
    },
    /// A policy names a budget that is not defined.
    UnknownBudget {
        /// The policy's key.
        key: String,
        /// The name.
        name: String,
    },
    /// A policy names a classifier that is not registered.
    UnknownClassifier {
        /// The policy's key.
        key: String,
        /// The name.
        name: String,
    },
    /// A classifier cannot be registered.
    Classifier(ClassifierError),
    /// The timer's thread cannot be started.
    TimerThread {
        /// What the system says.
        reason: String,
    },
    /// `REGO_MODE` has an unknown value.
    Mode {
        /// The value.
        value: String,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { key, source } => write!(f, "policy for {}: {source}", Quoted(key)),
            Self::Budget { name, source } => write!(f, "budget {name:?}: {source}"),
            Self::UnknownBudget { key, name } => {
                write!(
                    f,
                    "policy for {key:?}: there is no budget {name:?}; define it with `.budget({name:?}, …)`"
                )
            }
            Self::UnknownClassifier { key, name } => {
                write!(f, "policy for {key:?}: there is no classifier {name:?}")
            }
            Self::Classifier(error) => error.fmt(f),
            Self::TimerThread { reason } => {
                write!(f, "the timer's thread cannot be started: {reason}")
            }
            Self::Mode { value } => {
                write!(f, "{MODE_VARIABLE}={value:?}: it takes active, observe or off")
            }
        }
    }
}

/// A text that nobody has checked, cut to what fits a message.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(64) {
            Some((cut, _)) => write!(f, "{:?}…", &self.0[..cut]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

impl error::Error for BuildError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Key { source, .. } => Some(source),
            Self::Budget { source, .. } => Some(source),
            Self::Classifier(error) => Some(error),
            _ => None,
        }
    }
}
