//! TOML → tree.

use ::toml::de::{DeTable, DeValue};
use toml_parser::{Source, lexer::TokenKind};

use super::{
    super::PolicyErrorKind,
    table::Reader,
    tree::{Entry, MAX_DEPTH, Node, Value},
};

/// The longest text, in bytes, of which all the syntax errors are told: there may be more errors
/// than bytes, and the parser keeps them all. Of a longer one it is the first.
const MAX_RECOVERED: usize = 64 << 10;

/// The tree, or `None` after telling the reader why there is none.
pub(super) fn read(text: &str, reader: &mut Reader<'_>) -> Option<Node> {
    if let Some(at) = too_deep(text) {
        let message = format!("more than {MAX_DEPTH} levels of nesting");
        reader.fail(at, PolicyErrorKind::TooLarge, message);
        return None;
    }
    let (table, errors) = match text.len() {
        ..=MAX_RECOVERED => DeTable::parse_recoverable(text),
        _ => match DeTable::parse(text) {
            Ok(table) => (table, Vec::new()),
            Err(error) => (::toml::Spanned::new(0..0, DeTable::new()), vec![error]),
        },
    };
    for error in &errors {
        let at = error.span().map_or(text.len(), |span| span.start);
        let kind = match error.message() {
            "duplicate key" => PolicyErrorKind::Duplicate,
            _ => PolicyErrorKind::Syntax,
        };
        reader.fail(at, kind, error.message().to_owned());
    }
    errors.is_empty().then(|| Node { at: 0, value: Value::Table(entries(table.into_inner())) })
}

/// Where brackets, or the parts of a dotted key, are nested deeper than any policy needs.
///
/// The parser bounds each of the two, but not their product, and a tree of several thousand
/// levels overflows the stack of whoever drops it. Brackets that do not match do not close
/// anything, so that what is counted here is never less than what the parser nests.
fn too_deep(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut dots = 0;
    for token in Source::new(text).lex() {
        let closes = match token.kind() {
            TokenKind::LeftSquareBracket => {
                open.push(TokenKind::RightSquareBracket);
                false
            }
            TokenKind::LeftCurlyBracket => {
                open.push(TokenKind::RightCurlyBracket);
                false
            }
            kind => open.last() == Some(&kind),
        };
        if closes {
            open.pop();
        }
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Whitespace
            | TokenKind::Atom
            | TokenKind::BasicString
            | TokenKind::LiteralString => {}
            _ => dots = 0,
        }
        if open.len() > MAX_DEPTH || dots > MAX_DEPTH {
            return Some(token.span().start());
        }
    }
    None
}

fn entries(table: DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (::toml::Spanned<_>, ::toml::Spanned<DeValue<'_>>)| {
        let (at, start) = (key.span().start, value.span().start);
        let key: std::borrow::Cow<'_, str> = key.into_inner();
        Entry { key: key.into_owned(), at, node: node(start, value.into_inner()) }
    };
    table.into_iter().map(entry).collect()
}

fn node(at: usize, value: DeValue<'_>) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            // What does not fit is beyond every range, whichever number it is.
            i128::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Integer(i128::MAX), Value::Integer)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(_) => Value::List,
        DeValue::Table(table) => Value::Table(entries(table)),
    };
    Node { at, value }
}
