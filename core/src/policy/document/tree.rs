//! What TOML and JSON have in common: a tree of values that knows where each stands.

/// The deepest nesting that any format reads; a good document has five levels.
pub(super) const MAX_DEPTH: usize = 16;

/// A value and where it stands, in bytes from the beginning of the text.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    Table(Vec<Entry>),
    /// No field takes a list: what is in it does not matter.
    List,
    Null,
    Datetime,
}

/// One field of a table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key stands.
    pub(super) at: usize,
    pub(super) node: Node,
}

impl Value {
    /// What it is, for people.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "a string",
            Self::Table(_) => "a table",
            Self::List => "a list",
            Self::Null => "null",
            Self::Datetime => "a date",
        }
    }
}
