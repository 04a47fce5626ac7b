//! JSON → tree.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    super::PolicyErrorKind,
    table::Reader,
    tree::{Entry, MAX_DEPTH, Node, Value},
};

/// The tree, or `None` after telling the reader why there is none.
///
/// A raw value is a piece of the text itself, so where it lies tells where it stands. Every level
/// is scanned once more for the levels below it, which the bound on nesting keeps small.
pub(super) fn read(text: &str, reader: &mut Reader<'_>) -> Option<Node> {
    let root = match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => node(text, raw.get(), 0),
        Err(error) => Err(Broken::syntax(offset_of(text, error.line(), error.column()), &error)),
    };
    root.map_err(|broken| reader.fail(broken.at, broken.kind, broken.message)).ok()
}

/// Why there is no tree, and where.
struct Broken {
    at: usize,
    kind: PolicyErrorKind,
    message: String,
}

impl Broken {
    fn syntax(at: usize, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        Self { at, kind: PolicyErrorKind::Syntax, message: message.to_owned() }
    }
}

fn node(text: &str, piece: &str, depth: usize) -> Result<Node, Broken> {
    let at = piece.as_ptr().addr() - text.as_ptr().addr();
    if depth > MAX_DEPTH {
        let message = format!("more than {MAX_DEPTH} levels of nesting");
        return Err(Broken { at, kind: PolicyErrorKind::TooLarge, message });
    }
    let value = match piece.as_bytes().first() {
        Some(b'{') => Value::Table(entries(text, piece, depth)?),
        Some(b'[') => Value::List,
        Some(b'"') => Value::Text(string(text, piece)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => number(piece),
    };
    Ok(Node { at, value })
}

fn entries(text: &str, piece: &str, depth: usize) -> Result<Vec<Entry>, Broken> {
    let at = piece.as_ptr().addr() - text.as_ptr().addr();
    let mut deserializer = serde_json::Deserializer::from_str(piece);
    let fields =
        deserializer.deserialize_map(Fields).map_err(|error| Broken::syntax(at, &error))?;
    let entry = |(key, value): (&str, &str)| {
        let at = key.as_ptr().addr() - text.as_ptr().addr();
        Ok(Entry { key: string(text, key)?, at, node: node(text, value, depth + 1)? })
    };
    fields.into_iter().map(entry).collect()
}

/// The scan of the whole text lets half a surrogate pair pass; taking the string apart does not.
fn string(text: &str, piece: &str) -> Result<String, Broken> {
    let at = piece.as_ptr().addr() - text.as_ptr().addr();
    serde_json::from_str(piece).map_err(|error| Broken::syntax(at, &error))
}

/// What does not fit is beyond every range, whichever number it is.
fn number(piece: &str) -> Value {
    if piece.contains(['.', 'e', 'E']) {
        return Value::Float(piece.parse().unwrap_or(f64::NAN));
    }
    piece.parse().map_or(Value::Integer(i128::MAX), Value::Integer)
}

/// The fields of an object as they stand in the text, doubled ones included.
struct Fields;

impl<'t> Visitor<'t> for Fields {
    type Value = Vec<(&'t str, &'t str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            fields.push((key.get(), value.get()));
        }
        Ok(fields)
    }
}

/// A line and a column in bytes, both from 1, as an offset.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}
