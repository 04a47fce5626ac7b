//! The JSON Schema of documents against the reader of documents, in a validator of others.

use std::{fs, path::Path};

use jsonschema::Validator;
use rego::{Document, Format, PolicyError, PolicyErrorKind};
use serde_json::{Value, json};

/// Every field there is, in every form it can have.
const FULL: &str = r#"
schema = 1

[defaults]
id = "fleet"
version = "7"
mode = "active"
idempotent = true

[defaults.retry]
max_attempts = 4
initial_backoff = "20ms"
max_backoff = "1.5s"
multiplier = 2
jitter = "decorrelated"
attempt_timeout = "off"
overall_timeout = "0s"
max_retry_after = "10s"
classifier = "http"
budget = "users"

[defaults.retry.per_class]
throttled = { max_attempts = 2, initial_backoff = "100ms", cost = 2 }
unknown = { cost = 3 }

[defaults.hedge]
enabled = true
max_hedges = 1
trigger = { load = 0.02 }
delay = "30ms"
min_delay = "1ms"
max_delay = "5s"
objective = 0.999
fan_out = 100
cancel_on_first_terminal = false
budget = { name = "hedges", cost = 2 }

[budgets]
users = { kind = "ratio", ratio = 0.1, window = "30s", cap = 50, min_per_sec = 0.5, start = 2, funding = "requests" }
hedges = { kind = "token_bucket", capacity = 20, refill_per_sec = 5 }
flights = { kind = "in_flight", ratio = 0.1, min = 3 }
some = { kind = "concurrency", max = 4 }
throttle = { kind = "throttle", max_tokens = 10, token_ratio = 0.1 }
free = { kind = "unlimited" }

[policies."svc.*"]
idempotent = "no"
retry = { attempt_timeout = "250us", budget = { cost = 3 } }
hedge = { enabled = false, trigger = "fixed" }

[policies."svc.Get"]
idempotent = "yes"
mode = "observe"
hedge = { trigger = { quantile = 0.95 } }
"#;

/// What a schema does not see, by the document that shows it: each has an error of its own kind.
const NOT_OF_ITS_SHAPE: &[&str] = &[
    // Ranges.
    "attempts_too_many.toml",
    "attempts_zero.toml",
    "backoffs_of_two_layers.toml",
    "clamps_beyond_two.toml",
    "duration_extremes.toml",
    "inherited_fault_told_once.toml",
    "long_key.toml",
    "long_name.toml",
    // Whole numbers with a point, and what JSON has no word for.
    "attempts_not_whole.toml",
    "multiplier_nan.toml",
    "wrong_types.json",
    // What does not go together, or nobody defines.
    "budget_undefined.toml",
    "classifier_unknown.toml",
    "duplicate_key_spelled_twice.toml",
    "hedging_not_idempotent.toml",
    "hedging_not_idempotent_by_layers.toml",
    // What is no JSON or no TOML: there is nothing to compare.
    "deep_brackets.toml",
    "duplicate_field.toml",
    "duplicate_table.toml",
    "duplicates.json",
    "half_surrogate.json",
    "not_ascii.toml",
    "syntax_*",
    "empty.json",
];

fn schema() -> Value {
    serde_json::from_str(&Document::json_schema()).expect("the schema is JSON")
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("the schema is a schema")
}

fn tree(text: &str, format: Format) -> Option<Value> {
    match format {
        Format::Json => serde_json::from_str(text).ok(),
        _ => toml::from_str(text).ok(),
    }
}

#[test]
fn it_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn good_documents_are_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("it is part of the source");
    let readme = read("README.md");
    let shown = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut documents: Vec<String> = shown.map(str::to_owned).collect();
    assert!(!documents.is_empty(), "the README shows a document");
    documents.extend([FULL.to_owned(), read("ffi/tests/traces/policies.toml")]);
    let validator = validator();
    for text in documents {
        Document::check(&text, Format::Toml, "good").expect("a good document");
        let tree = tree(&text, Format::Toml).expect("a good document is TOML");
        let wrong: Vec<_> = validator.iter_errors(&tree).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?} in\n{text}");
    }
}

#[test]
fn malformed_documents_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden/policies");
    let files = fs::read_dir(folder).expect("the golden files are part of the source");
    let validator = validator();
    let (mut refused, mut accepted) = (0, Vec::new());
    for file in files {
        let path = file.expect("a readable folder").path();
        let Some(format) = Format::of(&path) else { continue };
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let text = fs::read_to_string(&path).expect("a golden file is text");
        match tree(&text, format) {
            Some(tree) if !validator.is_valid(&tree) => refused += 1,
            _ => accepted.push(name.to_owned()),
        }
    }
    let known = |name: &str| {
        NOT_OF_ITS_SHAPE.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => *known == name,
        })
    };
    let unknown: Vec<_> = accepted.iter().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "accepted: {unknown:?}");
    let is_seen = |known: &&str| match known.strip_suffix('*') {
        Some(start) => accepted.iter().any(|name| name.starts_with(start)),
        None => accepted.iter().any(|name| name == known),
    };
    let stale: Vec<_> = NOT_OF_ITS_SHAPE.iter().filter(|known| !is_seen(known)).collect();
    assert!(stale.is_empty(), "refused, or not there any more: {stale:?}");
    assert!(refused >= 25, "only {refused}");
}

/// Whether an error is one of shape, which the schema must see, too.
fn is_of_shape(error: &PolicyError) -> bool {
    use PolicyErrorKind::{Missing, UnknownField, UnknownSchema, WrongType};
    let is_name_or_unit = ["is none of", "is no duration", "exactly one of"];
    matches!(error.kind, Missing | UnknownField | UnknownSchema | WrongType)
        || is_name_or_unit.iter().any(|part| error.message.contains(part))
}

/// Every place in a document.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    if let Value::Object(fields) = value {
        for (name, inner) in fields {
            let name = name.replace('~', "~0").replace('/', "~1");
            let place = format!("{at}/{name}");
            places(inner, &place, out);
            out.push(place);
        }
    }
}

/// The document with another value in one place, without it, and with another name for it.
fn mutants(document: &Value, place: &str) -> Vec<Value> {
    let (table, name) = place.rsplit_once('/').expect("a place has a table");
    let values = json!([
        null, true, false, -1, 0, 1, 2, 0.5, 2.5, 5_000_000_000_u64, [], {}, "", "x", "off", "fixed",
        "yes", "no", "full", "observe", "requests", "ratio", "unlimited", "throttle", "users", "0s",
        "10ms", "1.5s", ".5s", "10 ms", "10", "1e3ms", "-1s", "3d",
        { "load": 0.1 }, { "quantile": 0.9 }, { "load": 0.1, "quantile": 0.9 }, { "x": 1 },
        { "name": "users" }, { "name": "users", "cost": 1 }, { "kind": "concurrency", "max": 1 },
        { "kind": "ratio" }, { "kind": "unlimited", "max": 1 },
    ]);
    let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut mutant = document.clone();
        let table = mutant.pointer_mut(table).and_then(Value::as_object_mut);
        change(table.expect("a place is in a table"));
        mutant
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    let values = values.as_array().expect("it is a list");
    let mut all: Vec<_> = values
        .iter()
        .map(|value| with(&|table| drop(table.insert(name.clone(), value.clone()))))
        .collect();
    all.push(with(&|table| drop(table.remove(&name))));
    for other in [format!("{name}x"), format!("{name}.*"), "*".to_owned(), " ".to_owned()] {
        all.push(with(&|table| {
            let value = table.remove(&name).expect("it is there");
            table.insert(other.clone(), value);
        }));
    }
    all
}

#[test]
fn schema_and_reader_agree_on_what_a_document_looks_like() {
    let document = tree(FULL, Format::Toml).expect("it is TOML");
    let mut all = Vec::new();
    places(&document, "", &mut all);
    let validator = validator();
    let (mut good, mut bad, mut out_of_range) = (0, 0, 0);
    for mutant in all.iter().flat_map(|place| mutants(&document, place)) {
        let text = mutant.to_string();
        let accepted = validator.is_valid(&mutant);
        match Document::check(&text, Format::Json, "mutant") {
            Ok(_) => {
                assert!(accepted, "the schema refuses {text}");
                good += 1;
            }
            Err(errors) if accepted => {
                let missed = errors.iter().find(|error| is_of_shape(error));
                assert!(missed.is_none(), "the schema accepts {text}: {missed:?}");
                out_of_range += 1;
            }
            Err(_) => bad += 1,
        }
    }
    assert!(good > 200 && bad > 1_500 && out_of_range > 50, "{good} {bad} {out_of_range}");
}
