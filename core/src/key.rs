//! What a caller names: a low-cardinality call site, `namespace.name`.

use std::{fmt, hash, str::FromStr};

/// The longest key there is, in bytes. Keys are names of call sites, not data.
pub const MAX_KEY_BYTES: usize = 256;

/// The name of a call site: `namespace.name`, or just `name`.
///
/// The text is trimmed and split at its **first** dot. Without a dot, or with nothing after it,
/// the whole text is the name.
///
/// ```
/// use rego::Key;
///
/// let key = Key::parse(" user-service.GetUser ")?;
/// assert_eq!((key.namespace(), key.name()), ("user-service", "GetUser"));
///
/// let key = Key::parse("a.b.c")?;
/// assert_eq!((key.namespace(), key.name()), ("a", "b.c"));
///
/// let key = Key::parse("cache.")?;
/// assert_eq!((key.namespace(), key.name()), ("", "cache."));
///
/// assert_eq!(Key::parse(".flush")?, Key::parse("flush")?);
/// # Ok::<(), rego::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Key {
    text: Box<str>,
    /// Where the name begins; the namespace ends one byte before it.
    name_at: usize,
}

impl Key {
    /// Parses a key.
    ///
    /// # Errors
    ///
    /// Nothing left after trimming, a control character (NUL among them), or more than
    /// [`MAX_KEY_BYTES`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = canonical(text)?;
        Ok(Self { text: text.into(), name_at: name_at(text) })
    }

    /// Parses what a policy is for: a key, or `namespace.*` for all names of a namespace.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and a star that stands for anything else.
    pub(crate) fn parse_pattern(text: &str) -> Result<Self, KeyError> {
        let key = Self::parse(text)?;
        let stars = match key.as_namespace() {
            Some(namespace) => namespace,
            None => key.as_str(),
        };
        if stars.contains('*') { Err(KeyError::Star) } else { Ok(key) }
    }

    /// Of `namespace.*`: the namespace.
    pub(crate) fn as_namespace(&self) -> Option<&str> {
        (self.name() == "*" && !self.namespace().is_empty()).then(|| self.namespace())
    }

    /// What comes before the first dot; empty without one.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.text[..self.name_at.saturating_sub(1)]
    }

    /// What comes after the first dot.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[self.name_at..]
    }

    /// The whole key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The one spelling under which a key is looked up: trimmed, and without the dot of an empty
/// namespace where dropping it changes nothing. Borrowed: no allocation.
pub(crate) fn canonical(text: &str) -> Result<&str, KeyError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    if text.len() > MAX_KEY_BYTES {
        return Err(KeyError::TooLong { bytes: text.len() });
    }
    let control = match text.is_ascii() {
        true => text.bytes().position(|byte| byte.is_ascii_control()),
        false => text.find(char::is_control),
    };
    if let Some(at) = control {
        return Err(KeyError::ControlCharacter { at });
    }
    Ok(match text.strip_prefix('.') {
        // Trimmed again: a spelling's own spelling is itself.
        Some(name) if !name.is_empty() && !name.contains('.') => name.trim_start(),
        _ => text,
    })
}

fn name_at(text: &str) -> usize {
    match text.find('.') {
        Some(dot) if dot + 1 < text.len() => dot + 1,
        _ => 0,
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl hash::Hash for Key {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

/// Why a text is not a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing is left after trimming.
    Empty,
    /// More than [`MAX_KEY_BYTES`].
    TooLong {
        /// How long it is, in bytes.
        bytes: usize,
    },
    /// A control character, such as NUL or a line feed.
    ControlCharacter {
        /// Where it stands, in bytes from the start of the trimmed text.
        at: usize,
    },
    /// A star, in the key of a policy, that does not stand for all names of a namespace.
    Star,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a key must not be empty"),
            Self::TooLong { bytes } => {
                write!(f, "a key has at most {MAX_KEY_BYTES} bytes, this one has {bytes}")
            }
            Self::ControlCharacter { at } => {
                write!(f, "a key must not hold control characters, this one has one at byte {at}")
            }
            Self::Star => f.write_str(
                "a star stands for all names of a namespace, as in `svc.*`, and for nothing else",
            ),
        }
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String) {
        let key = Key::parse(text).expect("a good key");
        (key.namespace().to_owned(), key.name().to_owned())
    }

    #[test]
    fn splits_at_the_first_dot() {
        for (text, namespace, name) in [
            ("svc.Method", "svc", "Method"),
            ("  svc.Method\t", "svc", "Method"),
            ("svc", "", "svc"),
            ("a.b.c", "a", "b.c"),
            ("svc.", "", "svc."),
            (".x", "", "x"),
            (".x.y", "", "x.y"),
            (".", "", "."),
            ("..", "", "."),
            ("é.ü", "é", "ü"),
        ] {
            assert_eq!(parts(text), (namespace.to_owned(), name.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_spelling_is_spelt_as_itself() {
        for text in [".b", ". b", ".\u{a0}b ", " . b", "..", ". .b", "a. b", ".", ". ."] {
            let once = canonical(text).expect("a good key");
            assert_eq!(canonical(once), Ok(once), "{text:?}");
        }
        assert_eq!(Key::parse(". b"), Key::parse("b"));
    }

    #[test]
    fn refuses_what_cannot_be_a_call_site() {
        assert_eq!(Key::parse(" \n "), Err(KeyError::Empty));
        assert_eq!(Key::parse("a\0b"), Err(KeyError::ControlCharacter { at: 1 }));
        assert_eq!(Key::parse("é\u{9b}b"), Err(KeyError::ControlCharacter { at: 2 }));
        let long = "k".repeat(1 << 20);
        assert_eq!(Key::parse(&long), Err(KeyError::TooLong { bytes: 1 << 20 }));
        assert!(Key::parse(&"k".repeat(MAX_KEY_BYTES)).is_ok());
    }
}
