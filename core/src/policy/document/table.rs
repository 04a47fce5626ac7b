//! Reading a table: which fields were asked for, which were not, and where all of it stands.

use std::collections::HashSet;

use super::{
    super::{PolicyError, PolicyErrorKind, PolicyErrors, Strictness},
    Origin,
    schema::{Asked, Field, Shape},
    suggest::closest,
    tree::{Entry, Node, Value},
    values::{Kind, Wrong, quoted},
};

/// The most warnings that are kept.
const MAX_WARNINGS: usize = 100;
/// How many bytes lie between two places up to which the characters are counted beforehand.
const BLOCK: usize = 1_024;

/// Collects what is wrong with a text, and tells where.
pub(super) struct Reader<'t> {
    text: &'t str,
    origin: &'t Origin,
    pub(super) strictness: Strictness,
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many characters begin before each block of the text: a document of one long line must
    /// not be counted anew for every place in it.
    chars: Vec<usize>,
    errors: PolicyErrors,
    warnings: Vec<PolicyError>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, origin: &'t Origin, strictness: Strictness) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = [0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect();
        let blocks = text.as_bytes().chunks(BLOCK).scan(0, |sum, block| {
            *sum += count_chars(block);
            Some(*sum)
        });
        let chars = [0].into_iter().chain(blocks).collect();
        let (errors, warnings) = (PolicyErrors::default(), Vec::new());
        Self { text, origin, strictness, lines, chars, errors, warnings }
    }

    /// Something is wrong with the document as a whole.
    pub(super) fn fail(&mut self, at: usize, kind: PolicyErrorKind, message: String) {
        self.error(at, "", Wrong { kind, message, suggestion: None });
    }

    pub(super) fn error(&mut self, at: usize, field: &str, wrong: Wrong) {
        if self.errors.is_full() {
            return self.errors.count_one();
        }
        let error = self.tell(at, field, wrong);
        self.errors.push(error);
    }

    /// Whether another error would only be counted, and another warning not even that.
    pub(super) fn is_full(&self) -> bool {
        self.errors.is_full() || self.warnings.len() == MAX_WARNINGS
    }

    pub(super) fn warn(&mut self, at: usize, field: &str, wrong: Wrong) {
        if self.warnings.len() < MAX_WARNINGS {
            let warning = self.tell(at, field, wrong);
            self.warnings.push(warning);
        }
    }

    /// Errors and warnings, in the order of the text.
    pub(super) fn finish(mut self) -> (PolicyErrors, Vec<PolicyError>) {
        self.errors.sort_by_place();
        self.warnings.sort_by_key(|warning| (warning.line, warning.column));
        (self.errors, self.warnings)
    }

    fn chars_before(&self, at: usize) -> usize {
        let block = at / BLOCK;
        self.chars[block] + count_chars(&self.text.as_bytes()[block * BLOCK..at])
    }

    /// An error that may never be told.
    pub(super) fn tell(&self, at: usize, field: &str, wrong: Wrong) -> PolicyError {
        let line = self.lines.partition_point(|&start| start <= at);
        let column = self.chars_before(at) - self.chars_before(self.lines[line - 1]) + 1;
        PolicyError {
            kind: wrong.kind,
            origin: self.origin.as_str().to_owned(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            field: field.to_owned(),
            message: wrong.message,
            suggestion: wrong.suggestion,
        }
    }
}

/// How many characters begin in a piece of UTF-8.
fn count_chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

/// A field that stands in a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Its full name within the policy: `retry.max_attempts`.
    pub(super) field: &'static str,
    pub(super) at: usize,
    /// Whether its value could be read.
    pub(super) good: bool,
}

/// A table that is being read. What is never asked for is unknown.
pub(super) struct Table<'r, 't> {
    reader: &'r mut Reader<'t>,
    entries: &'r [Entry],
    /// What the names of its fields begin with: `retry.`.
    prefix: &'static str,
    at: usize,
    path: String,
    asked: Vec<&'static str>,
    written: &'r mut Vec<Written>,
    /// What was asked for and what that takes, where that is what the table is for.
    told: Option<Asked>,
}

impl<'r, 't> Table<'r, 't> {
    /// `None` if the node is no table, which the reader is told.
    pub(super) fn open(
        reader: &'r mut Reader<'t>,
        node: &'r Node,
        path: String,
        prefix: &'static str,
        written: &'r mut Vec<Written>,
    ) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            reader.error(node.at, &path, Wrong::kind("a table", &node.value));
            return None;
        };
        let (at, asked) = (node.at, Vec::new());
        Some(Self { reader, entries, prefix, at, path, asked, written, told: None })
    }

    /// A table without fields that tells what it was asked for.
    pub(super) fn describing(
        reader: &'r mut Reader<'t>,
        prefix: &'static str,
        written: &'r mut Vec<Written>,
    ) -> Self {
        let (path, asked, told) = (String::new(), Vec::new(), Some(Asked::default()));
        Self { reader, entries: &[], prefix, at: 0, path, asked, written, told }
    }

    /// What a table that describes was asked for.
    pub(super) fn into_asked(self) -> Asked {
        self.told.unwrap_or_default()
    }

    /// The value of a field, or `None` if it is missing or wrong, which the reader is told.
    pub(super) fn get<T>(&mut self, field: &'static str, kind: impl Kind<Value = T>) -> Option<T> {
        self.get_as(field, field, kind)
    }

    /// As [`Table::get`], of a value that the rules know by the name `known`.
    pub(super) fn get_as<T>(
        &mut self,
        field: &'static str,
        known: &'static str,
        kind: impl Kind<Value = T>,
    ) -> Option<T> {
        self.tell(field, || kind.shape());
        let Entry { key, node, .. } = self.find(field)?;
        let value = kind.read(node);
        self.written.push(Written { field: known, at: node.at, good: value.is_ok() });
        value.map_err(|wrong| self.reader.error(node.at, &join(&self.path, key), wrong)).ok()
    }

    /// As [`Table::get`], of a value that must be there.
    pub(super) fn need<T>(&mut self, field: &'static str, kind: impl Kind<Value = T>) -> Option<T> {
        if self.find(field).is_none() {
            let (kind, suggestion) = (PolicyErrorKind::Missing, None);
            self.refuse(Wrong { kind, message: format!("`{field}` is missing"), suggestion });
        }
        let value = self.get(field, kind);
        if let Some(told) = self.told.as_mut().and_then(|told| told.fields.last_mut()) {
            told.needed = true;
        }
        value
    }

    /// Of the fields that were asked for, one has to be there, and one only.
    pub(super) fn exactly_one(&mut self, message: &str) {
        if let Some(told) = &mut self.told {
            told.exactly_one = true;
        } else if self.entries.len() != 1 {
            self.refuse(Wrong::value(message));
        }
    }

    /// Something is wrong with the table as a whole.
    pub(super) fn refuse(&mut self, wrong: Wrong) {
        self.reader.error(self.at, &self.path, wrong);
    }

    /// A field of which only the name is of interest.
    pub(super) fn ask(&mut self, field: &'static str) {
        self.asked.push(field);
    }

    /// What is read by `inside` from the table of this name, if there is one.
    pub(super) fn within(
        &mut self,
        field: &'static str,
        prefix: &'static str,
        inside: impl FnOnce(&mut Table<'_, 't>),
    ) {
        if self.told.is_some() {
            let mut table = Table::describing(self.reader, prefix, self.written);
            inside(&mut table);
            let asked = table.into_asked();
            return self.tell(field, || Shape::Table(asked));
        }
        let Some(entry) = self.find(field) else { return };
        let path = join(&self.path, &entry.key);
        let table = Table::open(self.reader, &entry.node, path, prefix, self.written);
        if let Some(mut table) = table {
            inside(&mut table);
            table.close();
        }
    }

    /// Of a field that is either a value or a table of values: whether it can be a value.
    pub(super) fn may_be_value(&self, field: &'static str) -> bool {
        self.told.is_some() || !self.is_table(field)
    }

    /// Of a field that is either a value or a table of values: whether it can be a table.
    pub(super) fn may_be_table(&self, field: &'static str) -> bool {
        self.told.is_some() || self.is_table(field)
    }

    fn is_table(&self, field: &'static str) -> bool {
        let key = &field[self.prefix.len()..];
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.is_some_and(|entry| matches!(entry.node.value, Value::Table(_)))
    }

    fn tell(&mut self, field: &'static str, shape: impl FnOnce() -> Shape) {
        if let Some(told) = &mut self.told {
            let name = &field[self.prefix.len()..];
            told.fields.push(Field { name, path: field, shape: shape(), needed: false });
        }
    }

    /// Tells the reader of every field that nobody asked for and of every field that is there
    /// twice.
    pub(super) fn close(self) {
        self.close_with(|_, _| None);
    }

    /// As [`Table::close`]; `guess` may know what an unknown field was meant to be.
    pub(super) fn close_with(self, guess: impl Fn(&str, &Value) -> Option<String>) {
        let mut seen = HashSet::new();
        for Entry { key, at, node } in self.entries {
            let path = join(&self.path, key);
            if !seen.insert(key.as_str()) {
                self.reader.error(*at, &path, duplicate());
            } else if !self.asked.contains(&key.as_str()) {
                let wrong = unknown_field(match self.reader.is_full() {
                    true => None,
                    false => closest(key, self.asked.iter().copied())
                        .map(str::to_owned)
                        .or_else(|| guess(key, &node.value)),
                });
                match self.reader.origin {
                    Origin::File(_) => self.reader.error(*at, &path, wrong),
                    Origin::Remote(_) => self.reader.warn(*at, &path, wrong),
                }
            }
        }
    }

    fn find(&mut self, field: &'static str) -> Option<&'r Entry> {
        let key = &field[self.prefix.len()..];
        self.asked.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }
}

fn duplicate() -> Wrong {
    let kind = PolicyErrorKind::Duplicate;
    Wrong { kind, message: "is there twice".to_owned(), suggestion: None }
}

fn unknown_field(suggestion: Option<String>) -> Wrong {
    let kind = PolicyErrorKind::UnknownField;
    Wrong { kind, message: "unknown field".to_owned(), suggestion }
}

/// The path of a field: what is no plain word stands in quotes.
pub(super) fn join(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_word = !key.is_empty() && key.len() <= 80 && key.chars().all(plain);
    let key = if is_word { key.to_owned() } else { quoted(key) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
