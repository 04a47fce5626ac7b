//! What is wrong with a policy, where, and what may have been meant.

use std::fmt;

/// The most errors that one [`PolicyErrors`] holds; the rest is counted.
const MAX_ERRORS: usize = 100;

/// One thing that is wrong with a policy or a document.
///
/// ```
/// let errors = rego::Policy::builder().max_attempts(0).build().unwrap_err();
/// let error = errors.iter().next().unwrap();
/// assert_eq!(error.field, "retry.max_attempts");
/// assert_eq!(error.to_string(), "retry.max_attempts: 0 attempts are no call; did you mean `1`?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyError {
    /// What sort of fault it is.
    pub kind: PolicyErrorKind,
    /// The document it stands in; empty for a policy made in code.
    pub origin: String,
    /// The line, from 1; 0 for a policy made in code.
    pub line: u32,
    /// The column in characters, from 1; 0 for a policy made in code.
    pub column: u32,
    /// The path of the field: `policies."svc.Get".retry.max_attempts`; empty for a whole document.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What may be written in its place.
    pub suggestion: Option<String>,
}

/// What sort of fault a [`PolicyError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// The text is not TOML, or not JSON.
    Syntax,
    /// The document is longer or nested deeper than any policy needs.
    TooLarge,
    /// Something that must be there is not.
    Missing,
    /// The document's schema is of another version.
    UnknownSchema,
    /// No such field.
    UnknownField,
    /// The same field or key twice.
    Duplicate,
    /// Not a name of a call site or of a namespace.
    InvalidKey,
    /// A value of the wrong type.
    WrongType,
    /// A value that makes no sense: an unknown choice, an unreadable duration, NaN.
    InvalidValue,
    /// A value that is out of its range by more than a factor of 2.
    OutOfRange,
    /// Hedging of requests that are not declared idempotent.
    NotIdempotent,
    /// No budget of this name.
    UnknownBudget,
    /// No classifier of this name.
    UnknownClassifier,
    /// Valid, and hardly meant: a warning of [`Document::check`](super::Document::check).
    Doubtful,
}

impl PolicyErrorKind {
    /// The name used in reports: `unknown_field`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::TooLarge => "too_large",
            Self::Missing => "missing",
            Self::UnknownSchema => "unknown_schema",
            Self::UnknownField => "unknown_field",
            Self::Duplicate => "duplicate",
            Self::InvalidKey => "invalid_key",
            Self::WrongType => "wrong_type",
            Self::InvalidValue => "invalid_value",
            Self::OutOfRange => "out_of_range",
            Self::NotIdempotent => "not_idempotent",
            Self::UnknownBudget => "unknown_budget",
            Self::UnknownClassifier => "unknown_classifier",
            Self::Doubtful => "doubtful",
        }
    }
}

/// Everything that is wrong with a policy or a document, in the order of the text.
///
/// At most 100 are kept; the rest is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyErrors {
    errors: Vec<PolicyError>,
    more: usize,
}

/// A fault of one field, before it is known where the field was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: PolicyErrorKind,
    pub(crate) field: &'static str,
    /// The other field, where it takes two to be wrong.
    pub(crate) against: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

impl PolicyErrors {
    /// The errors, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, PolicyError> {
        self.errors.iter()
    }

    /// How many there are, those included that were only counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.errors.len() + self.more
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub(crate) fn push(&mut self, error: PolicyError) {
        match self.is_full() {
            true => self.count_one(),
            false => self.errors.push(error),
        }
    }

    /// Whether another error would only be counted.
    pub(crate) const fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// There is another error, of which nothing is kept.
    pub(crate) const fn count_one(&mut self) {
        self.more += 1;
    }

    #[cfg_attr(not(feature = "documents"), allow(dead_code, reason = "for documents"))]
    pub(crate) fn sort_by_place(&mut self) {
        self.errors.sort_by_key(|error| (error.line, error.column));
    }
}

impl Fault {
    pub(crate) fn new(kind: PolicyErrorKind, field: &'static str, message: String) -> Self {
        Self { kind, field, against: None, message, suggestion: None }
    }

    pub(crate) fn against(mut self, field: &'static str) -> Self {
        self.against = Some(field);
        self
    }

    pub(crate) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

impl From<Fault> for PolicyError {
    fn from(fault: Fault) -> Self {
        Self {
            kind: fault.kind,
            origin: String::new(),
            line: 0,
            column: 0,
            field: fault.field.to_owned(),
            message: fault.message,
            suggestion: fault.suggestion,
        }
    }
}

impl FromIterator<Fault> for PolicyErrors {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let mut errors = Self::default();
        faults.into_iter().for_each(|fault| errors.push(fault.into()));
        errors
    }
}

impl<'e> IntoIterator for &'e PolicyErrors {
    type Item = &'e PolicyError;
    type IntoIter = std::slice::Iter<'e, PolicyError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for PolicyError {
    /// `policies.toml:12:5: policies."svc.Get".retry.max_atempts: unknown field; did you mean
    /// `max_attempts`?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.origin.is_empty() {
            write!(f, "{}:", self.origin)?;
        }
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.origin.is_empty() || self.line > 0 {
            f.write_str(" ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(quoted) if quoted.starts_with('"') => write!(f, "; did you mean {quoted}?"),
            Some(bare) => write!(f, "; did you mean `{bare}`?"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for PolicyError {}

impl std::error::Error for PolicyErrors {}
