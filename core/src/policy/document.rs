//! Documents: the policies and budgets of a fleet, as a text in TOML or JSON.

mod from_json;
mod from_toml;
mod resolve;
mod schema;
mod sections;
mod suggest;
mod table;
mod tree;
mod values;

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use self::{resolve::Named, table::Reader, values::Wrong};
use super::{Budget, Policy, PolicyError, PolicyErrorKind, PolicyErrors, Strictness, UNLIMITED};
use crate::key::Key;

/// The longest document, in bytes: room for the policies of more keys than an engine has.
const MAX_BYTES: usize = 1 << 20;
/// The schema that this version reads.
const SCHEMA: u32 = 1;

/// The policies and budgets of a fleet, read from a text, checked, and ready to be asked.
///
/// The policy of a key is put together field by field: `[defaults]`, over them the table of its
/// namespace (`"svc.*"`), over both the table of the key itself. Durations are strings with a
/// unit (`ns`, `us`, `ms`, `s`, `m`, `h`); `"off"` or `"0s"` turns a timeout off.
///
/// ```
/// use rego::{Document, Format, Key, Matched};
///
/// let document = Document::parse(
///     r#"
///     schema = 1
///
///     [defaults.retry]
///     max_attempts = 4
///
///     [budgets.users]
///     kind = "ratio"
///     ratio = 0.1
///
///     [policies."user-service.*"]
///     retry.overall_timeout = "1.5s"
///     retry.budget = "users"
///
///     [policies."user-service.GetUser"]
///     idempotent = true
///     hedge = { enabled = true, trigger = { quantile = 0.95 } }
///     "#,
///     Format::Toml,
///     "policies.toml",
/// )?;
/// let (policy, matched) = document.resolve(&Key::parse("user-service.GetUser")?);
/// assert_eq!(matched, Matched::Exact);
/// assert_eq!((policy.max_attempts(), policy.retry_budget()), (4, Some("users")));
///
/// let wrong = "schema = 1\n[defaults]\nretry.max_atempts = 4\n";
/// let errors = Document::parse(wrong, Format::Toml, "policies.toml").unwrap_err();
/// assert_eq!(
///     errors.to_string(),
///     "policies.toml:3:7: defaults.retry.max_atempts: unknown field; \
///      did you mean `max_attempts`?"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Document {
    origin: Origin,
    budgets: BTreeMap<String, Budget>,
    defaults: Option<Arc<Policy>>,
    built_in: Arc<Policy>,
    /// By the key, or by `namespace.*`.
    policies: BTreeMap<String, Arc<Policy>>,
    warnings: Vec<PolicyError>,
    names: Vec<Named>,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// JSON.
    Json,
}

/// Where a document comes from. A text is the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// A file or a text of one's own: an unknown field is an error.
    File(String),
    /// A server: an unknown field is a warning, as older programs meet newer documents.
    Remote(String),
}

/// Which part of a document speaks of a key most closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matched {
    /// The key's own table.
    Exact,
    /// The table of its namespace.
    Namespace,
    /// `[defaults]`.
    Defaults,
    /// None: the built-in default policy.
    Nothing,
}

impl Document {
    /// Reads a document for use: what is out of range is clamped, hedging without a declaration
    /// of idempotency is off, and [`Document::warnings`] tells where that is more than a
    /// correction.
    ///
    /// The cost is that of a configuration file, not of a call: tens of microseconds for a few
    /// policies.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it. Names are not checked; see
    /// [`Document::validate_names`].
    pub fn parse(
        text: &str,
        format: Format,
        origin: impl Into<Origin>,
    ) -> Result<Self, PolicyErrors> {
        Self::read(text, format, origin.into(), Strictness::Load)
    }

    /// As [`Document::parse`], for bytes that come from somewhere and may not be text.
    pub(crate) fn parse_bytes(
        bytes: &[u8],
        format: Format,
        origin: Origin,
    ) -> Result<Self, PolicyErrors> {
        match str::from_utf8(bytes) {
            Ok(text) => Self::parse(text, format, origin),
            Err(error) => {
                let (text, _) = bytes.split_at(error.valid_up_to());
                let text = str::from_utf8(text).unwrap_or_default();
                let mut reader = Reader::new(text, &origin, Strictness::Load);
                reader.fail(text.len(), PolicyErrorKind::Syntax, "this is not UTF-8".to_owned());
                Err(reader.finish().0)
            }
        }
    }

    /// Reads a document as for [`Document::parse`], with a person there to read the errors: what
    /// would be clamped by more than a factor of 2, and hedging without a declaration of
    /// idempotency, are errors too; what is valid and hardly meant is a
    /// [warning](Document::warnings): timeouts that undo each other, hedges that never come,
    /// budgets that limit nothing.
    ///
    /// ```
    /// use rego::{Document, Format, PolicyErrorKind};
    ///
    /// let text = "schema = 1\n[defaults.retry]\nattempt_timeout = \"30s\"\n";
    /// let document = Document::check(text, Format::Toml, "p.toml")?;
    /// assert_eq!(document.warnings()[0].kind, PolicyErrorKind::Doubtful);
    /// # Ok::<(), rego::PolicyErrors>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn check(
        text: &str,
        format: Format,
        origin: impl Into<Origin>,
    ) -> Result<Self, PolicyErrors> {
        Self::read(text, format, origin.into(), Strictness::Check)
    }

    /// The policy of a key, and which part of the document speaks of it most closely.
    #[must_use]
    pub fn resolve(&self, key: &Key) -> (&Arc<Policy>, Matched) {
        if let Some(policy) = self.policies.get(key.as_str()) {
            return (policy, Matched::Exact);
        }
        if let Some(policy) = self.policies.get(&format!("{}.*", key.namespace())) {
            return (policy, Matched::Namespace);
        }
        match &self.defaults {
            Some(policy) => (policy, Matched::Defaults),
            None => (&self.built_in, Matched::Nothing),
        }
    }

    /// The budgets it defines, by name.
    pub fn budgets(&self) -> impl Iterator<Item = (&str, &Budget)> {
        self.budgets.iter().map(|(name, budget)| (name.as_str(), budget))
    }

    /// The policies it defines, put together, by key or by `namespace.*`.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &Arc<Policy>)> {
        self.policies.iter().map(|(pattern, policy)| (pattern.as_str(), policy))
    }

    /// The policy of the keys it does not name: its defaults, or the built-in ones.
    #[must_use]
    pub fn defaults(&self) -> &Arc<Policy> {
        self.defaults.as_ref().unwrap_or(&self.built_in)
    }

    /// Its defaults, if it has any.
    pub(crate) fn own_defaults(&self) -> Option<&Arc<Policy>> {
        self.defaults.as_ref()
    }

    /// Where it comes from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is in force otherwise than it was written, in the order of the text: unknown fields
    /// of a remote document, values clamped by more than a factor of 2, hedging that is off. From
    /// [`Document::check`]: what is valid and hardly meant.
    #[must_use]
    pub fn warnings(&self) -> &[PolicyError] {
        &self.warnings
    }

    /// Checks the names that its policies use against its own budgets and those given; the
    /// budget `unlimited` is always there.
    ///
    /// ```
    /// use rego::{Document, Format};
    ///
    /// let text = "schema = 1\n[defaults.retry]\nbudget = \"user\"\nclassifier = \"http\"\n";
    /// let document = Document::parse(text, Format::Toml, "p.toml")?;
    /// let errors = document.validate_names(&["users"], &["auto", "http"]).unwrap_err();
    /// assert_eq!(
    ///     errors.to_string(),
    ///     "p.toml:3:10: defaults.retry.budget: no budget is named \"user\"; \
    ///      did you mean \"users\"?"
    /// );
    /// # Ok::<(), rego::PolicyErrors>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every budget and classifier that nobody defines.
    pub fn validate_names(
        &self,
        budgets: &[&str],
        classifiers: &[&str],
    ) -> Result<(), PolicyErrors> {
        let own = self.budgets.keys().map(String::as_str);
        let budgets: Vec<&str> = own.chain([UNLIMITED]).chain(budgets.iter().copied()).collect();
        let mut errors = PolicyErrors::default();
        for named in &self.names {
            let known = match named.place.kind {
                PolicyErrorKind::UnknownBudget => budgets.as_slice(),
                _ => classifiers,
            };
            if !known.contains(&named.name.as_str()) {
                errors.push(named.unknown(known));
            }
        }
        errors.sort_by_place();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn read(
        text: &str,
        format: Format,
        origin: Origin,
        strictness: Strictness,
    ) -> Result<Self, PolicyErrors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader::new(text, &origin, strictness);
        if text.len() > MAX_BYTES {
            let message = format!("a document has at most {MAX_BYTES} bytes, not {}", text.len());
            reader.fail(0, PolicyErrorKind::TooLarge, message);
            return Err(reader.finish().0);
        }
        if text.trim().is_empty() {
            let (kind, suggestion) = (PolicyErrorKind::Missing, Some(format.schema_line()));
            let message = "an empty document".to_owned();
            reader.error(0, "schema", Wrong { kind, message, suggestion });
            return Err(reader.finish().0);
        }
        let tree = match format {
            Format::Toml => from_toml::read(text, &mut reader),
            Format::Json => from_json::read(text, &mut reader),
        };
        let found = tree.map(|tree| sections::read(&mut reader, &tree, format));
        let resolved = found.map(|found| resolve::resolve(&mut reader, found));
        let (errors, warnings) = reader.finish();
        match resolved {
            Some(resolved) if errors.is_empty() => Ok(Self {
                origin,
                budgets: resolved.budgets,
                defaults: resolved.defaults,
                built_in: Arc::default(),
                policies: resolved.policies,
                warnings,
                names: resolved.names,
            }),
            _ => Err(errors),
        }
    }
}

impl Format {
    /// The format that a file's name ends in: `.toml` or `.json`.
    ///
    /// ```
    /// use rego::Format;
    ///
    /// assert_eq!(Format::of("policies.json"), Some(Format::Json));
    /// assert_eq!(Format::of("policies.yaml"), None);
    /// ```
    #[must_use]
    pub fn of(path: impl AsRef<Path>) -> Option<Self> {
        match path.as_ref().extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// How the schema is named.
    fn schema_line(self) -> String {
        match self {
            Self::Toml => format!("schema = {SCHEMA}"),
            Self::Json => format!("\"schema\": {SCHEMA}"),
        }
    }
}

impl Origin {
    /// The file or the address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::File(name) | Self::Remote(name) => name,
        }
    }
}

impl From<&str> for Origin {
    fn from(file: &str) -> Self {
        Self::File(file.to_owned())
    }
}

impl From<String> for Origin {
    fn from(file: String) -> Self {
        Self::File(file)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests;
