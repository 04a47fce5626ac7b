//! Classifiers by name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{BuiltInClassifier, Classifier};

/// The longest name of a classifier, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// Classifiers by name: the built-in ones, which stay, and the host's own.
///
/// Filled before the engine is built, only read afterwards, and only when policies are installed:
/// no call looks a name up.
///
/// ```
/// use rego::{Class, Classifiers, Completion, Context, HttpClassifier, Outcome};
///
/// let mut classifiers = Classifiers::new();
/// classifiers.add("http-strict", HttpClassifier::new().retry_500(false))?;
/// classifiers.add("never", |_: &Completion, _: &Context| Outcome::non_retryable(Class::Unknown))?;
/// assert!(classifiers.names().any(|name| name == "never"));
/// assert!(classifiers.add("grpc", HttpClassifier::new()).is_err());
/// # Ok::<(), rego::ClassifierError>(())
/// ```
#[derive(Clone, Default)]
pub struct Classifiers {
    custom: BTreeMap<Box<str>, Arc<dyn Classifier>>,
}

/// A classifier a policy has picked.
#[derive(Clone)]
pub(crate) enum Named {
    BuiltIn(BuiltInClassifier),
    Custom(Arc<dyn Classifier>),
}

impl Classifiers {
    /// The built-in ones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a classifier under a name, without white space around it.
    ///
    /// # Errors
    ///
    /// The name is taken (those of the built-in ones are), empty, longer than 256 bytes, or holds
    /// a control character.
    pub fn add(
        &mut self,
        name: &str,
        classifier: impl Classifier + 'static,
    ) -> Result<(), ClassifierError> {
        let name = checked(name)?;
        if self.get(name).is_some() {
            return Err(ClassifierError::Duplicate { name: name.to_owned() });
        }
        self.custom.insert(name.into(), Arc::new(classifier));
        Ok(())
    }

    /// Every name: the built-in ones, then the host's own in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let built_in = BuiltInClassifier::ALL.into_iter().map(|known| -> &str { known.name() });
        built_in.chain(self.custom.keys().map(|name| &**name))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Named> {
        let built_in = BuiltInClassifier::ALL.into_iter().find(|known| known.name() == name);
        built_in.map(Named::BuiltIn).or_else(|| self.custom.get(name).cloned().map(Named::Custom))
    }
}

impl fmt::Debug for Classifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Named {
    /// Whether it is one that calls a plain success a success.
    #[inline]
    pub(crate) const fn is_built_in(&self) -> bool {
        matches!(self, Self::BuiltIn(_))
    }
}

impl Default for Named {
    /// `auto`.
    fn default() -> Self {
        Self::BuiltIn(BuiltInClassifier::Auto)
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(classifier) => f.write_str(classifier.name()),
            Self::Custom(_) => f.write_str("custom"),
        }
    }
}

fn checked(name: &str) -> Result<&str, ClassifierError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(ClassifierError::Empty);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(ClassifierError::TooLong { bytes: name.len() });
    }
    match name.find(char::is_control) {
        Some(at) => Err(ClassifierError::ControlCharacter { at }),
        None => Ok(name),
    }
}

/// Why a classifier was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClassifierError {
    /// There is one of this name, built in or added before.
    Duplicate {
        /// The name.
        name: String,
    },
    /// Nothing is left of the name after trimming.
    Empty,
    /// The name has more than 256 bytes.
    TooLong {
        /// How long it is, in bytes.
        bytes: usize,
    },
    /// The name holds a control character, such as NUL or a line feed.
    ControlCharacter {
        /// Where it stands, in bytes from the start of the trimmed name.
        at: usize,
    },
}

impl fmt::Display for ClassifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { name } => write!(f, "there is a classifier named `{name}` already"),
            Self::Empty => f.write_str("a classifier's name must not be empty"),
            Self::TooLong { bytes } => write!(
                f,
                "a classifier's name has at most {MAX_NAME_BYTES} bytes, this one has {bytes}"
            ),
            Self::ControlCharacter { at } => write!(
                f,
                "a classifier's name must not hold control characters, this one has one at byte \
                 {at}"
            ),
        }
    }
}

impl std::error::Error for ClassifierError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        classify::{Context, judge},
        completion::Completion,
        outcome::Outcome,
    };

    fn abort(_: &Completion, _: &Context) -> Outcome {
        Outcome::abort()
    }

    #[test]
    fn built_in_ones_are_there_and_stay() {
        let mut classifiers = Classifiers::new();
        for name in ["always", "http", "grpc", "io", "errno", "auto"] {
            let found = classifiers.get(name).expect("built in");
            assert_eq!(format!("{found:?}"), name);
            let taken = ClassifierError::Duplicate { name: name.to_owned() };
            assert_eq!(classifiers.add(name, abort), Err(taken));
        }
        assert_eq!(format!("{:?}", Named::default()), "auto");
        assert_eq!(classifiers.names().count(), 6);
    }

    #[test]
    fn own_ones_are_found_by_name() {
        let mut classifiers = Classifiers::new();
        assert!(classifiers.get("b").is_none());
        assert_eq!(classifiers.add(" b ", abort), Ok(()));
        assert_eq!(classifiers.add("a", abort), Ok(()));
        let taken = ClassifierError::Duplicate { name: "b".to_owned() };
        assert_eq!(classifiers.add("b", abort), Err(taken));

        let found = classifiers.get("b").expect("just added");
        assert_eq!(judge(&found, &Completion::ok(), &Context::default()), Outcome::abort());
        assert!(classifiers.get("B").is_none());
        let names: Vec<_> = classifiers.names().collect();
        assert_eq!(names, ["auto", "always", "http", "grpc", "io", "errno", "a", "b"]);
    }

    #[test]
    fn names_that_could_not_be_written_are_refused() {
        let mut classifiers = Classifiers::new();
        assert_eq!(classifiers.add(" \t", abort), Err(ClassifierError::Empty));
        let control = ClassifierError::ControlCharacter { at: 2 };
        assert_eq!(classifiers.add("é\0", abort), Err(control));
        assert_eq!(
            classifiers.add(&"n".repeat(257), abort),
            Err(ClassifierError::TooLong { bytes: 257 })
        );
        assert_eq!(classifiers.add(&"n".repeat(256), abort), Ok(()));
    }
}
