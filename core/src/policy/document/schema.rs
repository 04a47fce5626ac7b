//! The JSON Schema of documents: what the reader asks a table for, told instead of read.
//!
//! Nothing is written down twice. The functions that read a section are run over a
//! [table that describes](Table::describing): it has no fields, and notes which are asked for and
//! what they take.

mod about;

use serde_json::{Map, Value, json};

use super::{
    Document, Origin, SCHEMA,
    sections::{self, KINDS},
    table::{Reader, Table},
    values::{duration_pattern, timeout_pattern},
};
use crate::policy::{Policy, Strictness};

/// What a field takes.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Flag,
    Count,
    Number,
    Text,
    Duration,
    /// A duration that may be off.
    Timeout,
    /// One of a closed list.
    Choice(Vec<&'static str>),
    /// One of a closed list, or true or false.
    FlagOr(Vec<&'static str>),
    Table(Asked),
}

/// What a table was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) fields: Vec<Field>,
    /// One of the fields is there, and one only.
    pub(super) exactly_one: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its name in its table.
    pub(super) name: &'static str,
    /// Its full name within the policy.
    pub(super) path: &'static str,
    pub(super) shape: Shape,
    pub(super) needed: bool,
}

impl Document {
    /// The JSON Schema (draft 2020-12) of documents, in JSON and in TOML: to complete and to check
    /// them in an editor, or where they are made. It is made of what [`Document::parse`] asks for,
    /// so it knows the same fields, types, names and units.
    ///
    /// It accepts all that [`Document::check`] accepts. What it cannot say is only refused there:
    /// ranges, values that do not go together, names that nobody defines, fields that are there
    /// twice, and whole numbers with a point (`3.0`).
    ///
    /// ```
    /// let schema: serde_json::Value = serde_json::from_str(&rego::Document::json_schema())?;
    /// assert_eq!(schema["required"], serde_json::json!(["schema"]));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn json_schema() -> String {
        let text = serde_json::to_string_pretty(&schema());
        text.expect("numbers and texts, under names that are texts") + "\n"
    }
}

fn schema() -> Value {
    let asked = asked("", sections::policy);
    let policy = table(&asked, &Names { defaults: defaults() });
    let mut root = Map::new();
    for section in sections::SECTIONS {
        let about = about::of(section);
        let shape = match section {
            "schema" => json!({ "const": SCHEMA }),
            "defaults" => json!({ "$ref": "#/$defs/policy" }),
            "budgets" => json!({
                "type": "object",
                "propertyNames": { "pattern": r"\S", "not": { "const": crate::policy::UNLIMITED } },
                "additionalProperties": { "$ref": "#/$defs/budget" },
            }),
            _ => json!({
                "type": "object",
                // A key, or all keys of a namespace.
                "propertyNames": { "pattern": r"^\s*([^*\s][^*]*|[^.*\s][^.*]*\.\*\s*)$" },
                "additionalProperties": { "$ref": "#/$defs/policy" },
            }),
        };
        root.insert(section.to_owned(), with(shape, "description", json!(about)));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rego policies",
        "type": "object",
        "properties": root,
        "required": ["schema"],
        "additionalProperties": false,
        "$defs": { "policy": policy, "budget": budget() },
    })
}

/// One of the kinds, each with fields of its own.
fn budget() -> Value {
    let kinds = KINDS.map(|kind| {
        let asked = asked("", |table| {
            sections::budget_of(table, kind);
        });
        let mut table = table(&asked, &Names { defaults: Map::new() });
        table["properties"]["kind"] = json!({ "const": kind, "description": about::of(kind) });
        let needed = table.get_mut("required").and_then(Value::as_array_mut);
        match needed {
            Some(needed) => needed.insert(0, json!("kind")),
            None => table["required"] = json!(["kind"]),
        }
        table
    });
    json!({ "type": "object", "oneOf": kinds })
}

/// What a table is asked for by a function that reads it.
fn asked(prefix: &'static str, read: impl FnOnce(&mut Table<'_, '_>)) -> Asked {
    let origin = Origin::File(String::new());
    let mut reader = Reader::new("", &origin, Strictness::Load);
    let mut written = Vec::new();
    let mut table = Table::describing(&mut reader, prefix, &mut written);
    read(&mut table);
    table.into_asked()
}

/// What is known of fields besides their shape.
struct Names {
    /// What they are where nobody says, by their full names.
    defaults: Map<String, Value>,
}

fn table(asked: &Asked, names: &Names) -> Value {
    let mut properties = Map::new();
    for field in &asked.fields {
        let mut shape = of_shape(&field.shape, names);
        if let Some(other) = properties.remove(field.name) {
            shape = json!({ "anyOf": [other, shape] });
        }
        properties.insert(field.name.to_owned(), shape);
    }
    for field in &asked.fields {
        let property = &mut properties[field.name];
        if let Some(about) = about::find(field.path) {
            property["description"] = json!(about);
        }
        if let Some(default) = names.defaults.get(field.path) {
            property["default"] = default.clone();
        }
    }
    let needed: Vec<_> =
        asked.fields.iter().filter(|field| field.needed).map(|field| field.name).collect();
    let mut table = json!({
        "type": "object", "properties": properties, "additionalProperties": false,
    });
    if !needed.is_empty() {
        table["required"] = json!(needed);
    }
    if asked.exactly_one {
        table["minProperties"] = json!(1);
        table["maxProperties"] = json!(1);
    }
    table
}

fn of_shape(shape: &Shape, names: &Names) -> Value {
    match shape {
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Count => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Text => json!({ "type": "string" }),
        Shape::Duration => json!({ "type": "string", "pattern": duration_pattern() }),
        Shape::Timeout => json!({ "type": "string", "pattern": timeout_pattern() }),
        Shape::Choice(all) => json!({ "enum": all }),
        Shape::FlagOr(all) => json!({ "anyOf": [{ "type": "boolean" }, { "enum": all }] }),
        Shape::Table(asked) => table(asked, names),
    }
}

fn with(mut shape: Value, name: &str, value: Value) -> Value {
    shape[name] = value;
    shape
}

/// What a policy is where nobody says anything.
fn defaults() -> Map<String, Value> {
    let Policy { mode, idempotent, retry, hedge, .. } = Policy::default();
    let timeout = |time: crate::clock::Nanos| match time.is_never() {
        true => json!("off"),
        false => json!(time.to_string()),
    };
    let length = |time: crate::clock::Nanos| json!(time.to_string());
    [
        ("mode", json!(mode.label())),
        ("idempotent", json!(idempotent.label())),
        ("retry.max_attempts", json!(retry.max_attempts)),
        ("retry.initial_backoff", length(retry.initial_backoff)),
        ("retry.max_backoff", length(retry.max_backoff)),
        ("retry.multiplier", json!(retry.multiplier)),
        ("retry.jitter", json!(retry.jitter.label())),
        ("retry.attempt_timeout", timeout(retry.attempt_timeout)),
        ("retry.overall_timeout", timeout(retry.overall_timeout)),
        ("retry.max_retry_after", length(retry.max_retry_after)),
        ("retry.classifier", json!(*retry.classifier)),
        ("retry.budget.cost", json!(retry.cost)),
        ("hedge.enabled", json!(hedge.enabled)),
        ("hedge.max_hedges", json!(hedge.max_hedges)),
        ("hedge.trigger", json!(hedge.trigger.to_string())),
        ("hedge.delay", length(hedge.delay)),
        ("hedge.min_delay", length(hedge.min_delay)),
        ("hedge.max_delay", length(hedge.max_delay)),
        ("hedge.objective", json!(hedge.objective)),
        ("hedge.fan_out", json!(hedge.fan_out)),
        ("hedge.cancel_on_first_terminal", json!(hedge.cancel_on_first_terminal)),
        ("hedge.budget.cost", json!(hedge.cost)),
    ]
    .into_iter()
    .map(|(field, value)| (field.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Format;

    fn fields(asked: &Asked) -> Vec<&'static str> {
        let inner = |field: &Field| match &field.shape {
            Shape::Table(asked) => fields(asked),
            _ => Vec::new(),
        };
        asked.fields.iter().flat_map(|field| [vec![field.path], inner(field)].concat()).collect()
    }

    #[test]
    fn every_field_is_told_about_and_nothing_else() {
        let mut all = fields(&asked("", sections::policy));
        for kind in KINDS {
            all.push(kind);
            all.extend(fields(&asked("", |table| {
                sections::budget_of(table, kind);
            })));
        }
        all.extend(sections::SECTIONS);
        let untold: Vec<_> = all.iter().filter(|field| about::find(field).is_none()).collect();
        assert!(untold.is_empty(), "{untold:?}");
        let unasked: Vec<_> = about::names().filter(|name| !all.contains(&name.as_str())).collect();
        assert!(unasked.is_empty(), "{unasked:?}");
    }

    #[test]
    fn what_are_called_defaults_change_nothing() {
        let all = fields(&asked("", sections::policy));
        let mut policy = json!({});
        for (field, value) in defaults() {
            assert!(all.contains(&field.as_str()), "{field} is not asked for");
            let mut at = &mut policy;
            for name in field.split('.') {
                at = &mut at[name];
            }
            *at = value;
        }
        policy["retry"]["budget"]["name"] = json!("unlimited");
        policy["hedge"]["budget"]["name"] = json!("unlimited");
        let document = json!({ "schema": 1, "defaults": policy }).to_string();
        let document = Document::check(&document, Format::Json, "defaults").expect("good defaults");
        let (mut read, default) = ((**document.defaults()).clone(), Policy::default());
        (read.retry.budget, read.hedge.budget) = (None, None);
        assert_eq!(read, default);
    }
}
