//! The sections of a document: which fields there are and what they are made of.

use std::collections::BTreeMap;

use super::{
    super::{
        Budget, Funding, Jitter, Mode, PolicyDraft, PolicyErrorKind, Trigger, UNLIMITED,
        normalize::PER_CLASS,
    },
    Format, SCHEMA,
    schema::Shape,
    suggest::closest,
    table::{Reader, Table, Written, join},
    tree::{Entry, Node, Value},
    values::{
        COUNT, Choice, DURATION, FLAG, IDEMPOTENT, NUMBER, Plain, Read, TEXT, TIMEOUT, Wrong,
        count, quoted,
    },
};
use crate::{key::Key, outcome::Class};

/// What stands in a document.
#[derive(Default)]
pub(super) struct Found {
    pub(super) budgets: BTreeMap<String, Budget>,
    pub(super) defaults: Option<Layer>,
    /// By the key, or by `namespace.*`.
    pub(super) policies: BTreeMap<String, Layer>,
}

/// One table that speaks of policies.
pub(super) struct Layer {
    pub(super) path: String,
    pub(super) draft: PolicyDraft,
    pub(super) written: Vec<Written>,
}

pub(super) const SECTIONS: [&str; 4] = ["schema", "defaults", "budgets", "policies"];

pub(super) fn read(reader: &mut Reader<'_>, tree: &Node, format: Format) -> Found {
    let mut found = Found::default();
    let Value::Table(entries) = &tree.value else {
        reader.error(tree.at, "", Wrong::kind("a table", &tree.value));
        return found;
    };
    if !schema(reader, tree, entries, format) {
        return found;
    }
    let mut written = Vec::new();
    let Some(mut root) = Table::open(reader, tree, String::new(), "", &mut written) else {
        return found;
    };
    for section in SECTIONS {
        root.ask(section);
    }
    root.close();
    for Entry { key, node, .. } in entries {
        match key.as_str() {
            "defaults" => found.defaults = Some(layer(reader, node, "defaults".to_owned(), None)),
            "budgets" => budgets(reader, node, &mut found.budgets),
            "policies" => policies(reader, node, &mut found.policies),
            _ => {}
        }
    }
    found
}

/// Whether the rest of the document is worth reading.
fn schema(reader: &mut Reader<'_>, tree: &Node, entries: &[Entry], format: Format) -> bool {
    let wrong = |kind, message: &str| {
        let suggestion = Some(format.schema_line());
        Wrong { kind, message: message.to_owned(), suggestion }
    };
    let Some(Entry { node, .. }) = entries.iter().find(|entry| entry.key == "schema") else {
        let message = if entries.is_empty() { "an empty document" } else { "no schema is named" };
        reader.error(tree.at, "schema", wrong(PolicyErrorKind::Missing, message));
        return true;
    };
    match count(node) {
        Ok(SCHEMA) => true,
        Ok(other) => {
            let message = format!("this version reads schema {SCHEMA}, not {other}");
            reader.error(node.at, "schema", wrong(PolicyErrorKind::UnknownSchema, &message));
            false
        }
        Err(wrong) => {
            reader.error(node.at, "schema", wrong);
            true
        }
    }
}

fn policies(reader: &mut Reader<'_>, node: &Node, found: &mut BTreeMap<String, Layer>) {
    let Value::Table(entries) = &node.value else {
        reader.error(node.at, "policies", Wrong::kind("a table", &node.value));
        return;
    };
    for Entry { key, at, node } in entries {
        let path = format!("policies.{}", quoted(key));
        match pattern(key) {
            Err(wrong) => reader.error(*at, &path, wrong),
            Ok(pattern) if found.contains_key(&pattern) => {
                let (kind, suggestion) = (PolicyErrorKind::Duplicate, None);
                let message = format!("{} is there twice", quoted(&pattern));
                reader.error(*at, &path, Wrong { kind, message, suggestion });
            }
            Ok(pattern) => {
                let layer = layer(reader, node, path, Some(key));
                found.insert(pattern, layer);
            }
        }
    }
}

/// The key, or `namespace.*`, as it is looked up.
fn pattern(text: &str) -> Result<String, Wrong> {
    let invalid = |message: String, suggestion: Option<String>| {
        let kind = PolicyErrorKind::InvalidKey;
        Wrong { kind, message, suggestion }
    };
    let key = Key::parse(text).map_err(|error| invalid(error.to_string(), None))?;
    if Key::parse_pattern(text).is_ok() {
        return Ok(key.as_str().to_owned());
    }
    let namespace = key.namespace();
    if namespace.is_empty() {
        let message = "a star stands for the names of a namespace".to_owned();
        return Err(invalid(message, (key.name() == "*").then(|| "defaults".to_owned())));
    }
    let message = "a star stands for all names of a namespace, not for a part of one";
    let plain = namespace.trim_matches('*');
    let whole = (!plain.is_empty() && !plain.contains('*')).then(|| quoted(&format!("{plain}.*")));
    Err(invalid(message.to_owned(), whole))
}

/// `policy` is the policy's own key, if it has one.
fn layer(reader: &mut Reader<'_>, node: &Node, path: String, policy: Option<&str>) -> Layer {
    let (mut draft, mut written) = (PolicyDraft::default(), Vec::new());
    if let Some(mut table) = Table::open(reader, node, path.clone(), "", &mut written) {
        fields(&mut table, &mut draft);
        table.close_with(|key, value| {
            // [policies.svc.Get] is a table in a table: the dot must stand inside the quotes.
            let dotted = matches!(value, Value::Table(_)).then_some(policy).flatten();
            dotted.map(|policy| format!("policies.{}", quoted(&format!("{policy}.{key}"))))
        });
    }
    Layer { path, draft, written }
}

/// Every field of a policy.
pub(super) fn policy(table: &mut Table<'_, '_>) {
    fields(table, &mut PolicyDraft::default());
}

fn fields(table: &mut Table<'_, '_>, draft: &mut PolicyDraft) {
    draft.id = table.get("id", TEXT);
    draft.version = table.get("version", TEXT);
    draft.mode = table.get("mode", Choice(&Mode::ALL, Mode::label));
    draft.idempotent = table.get("idempotent", IDEMPOTENT);
    table.within("retry", "retry.", |table| retry(table, draft));
    table.within("hedge", "hedge.", |table| hedge(table, draft));
}

fn retry(table: &mut Table<'_, '_>, draft: &mut PolicyDraft) {
    let retry = &mut draft.retry;
    retry.max_attempts = table.get("retry.max_attempts", COUNT);
    retry.initial_backoff = table.get("retry.initial_backoff", DURATION);
    retry.max_backoff = table.get("retry.max_backoff", DURATION);
    retry.multiplier = table.get("retry.multiplier", NUMBER);
    retry.jitter = table.get("retry.jitter", Choice(&Jitter::ALL, Jitter::label));
    retry.attempt_timeout = table.get("retry.attempt_timeout", TIMEOUT);
    retry.overall_timeout = table.get("retry.overall_timeout", TIMEOUT);
    retry.max_retry_after = table.get("retry.max_retry_after", DURATION);
    retry.classifier = table.get("retry.classifier", TEXT);
    let names = ["retry.budget", "retry.budget.", "retry.budget.name", "retry.budget.cost"];
    (retry.budget, retry.cost) = payment(table, names);
    table.within("retry.per_class", "retry.per_class.", |table| {
        for class in Class::ALL {
            let fields = &PER_CLASS[class as usize];
            let rule = &mut retry.per_class[class as usize];
            table.within(fields.table, fields.prefix, |table| {
                rule.max_attempts = table.get(fields.max_attempts, COUNT);
                rule.initial_backoff = table.get(fields.initial_backoff, DURATION);
                rule.cost = table.get(fields.cost, COUNT);
            });
        }
    });
}

fn hedge(table: &mut Table<'_, '_>, draft: &mut PolicyDraft) {
    let hedge = &mut draft.hedge;
    hedge.enabled = table.get("hedge.enabled", FLAG);
    hedge.max_hedges = table.get("hedge.max_hedges", COUNT);
    hedge.trigger = trigger(table);
    hedge.delay = table.get("hedge.delay", DURATION);
    hedge.min_delay = table.get("hedge.min_delay", DURATION);
    hedge.max_delay = table.get("hedge.max_delay", DURATION);
    hedge.objective = table.get("hedge.objective", NUMBER);
    hedge.fan_out = table.get("hedge.fan_out", COUNT);
    hedge.cancel_on_first_terminal = table.get("hedge.cancel_on_first_terminal", FLAG);
    let names = ["hedge.budget", "hedge.budget.", "hedge.budget.name", "hedge.budget.cost"];
    (hedge.budget, hedge.cost) = payment(table, names);
}

/// `budget = "users"` or `budget = { name = "users", cost = 2 }`.
fn payment(
    table: &mut Table<'_, '_>,
    [field, prefix, name, cost]: [&'static str; 4],
) -> (Option<String>, Option<u32>) {
    let mut paid = (None, None);
    if table.may_be_value(field) {
        paid.0 = table.get(field, TEXT);
    }
    if table.may_be_table(field) {
        table.within(field, prefix, |table| {
            paid = (table.get_as(name, field, TEXT), table.get(cost, COUNT));
        });
    }
    paid
}

/// `trigger = "fixed"`, `{ quantile = 0.95 }` or `{ load = 0.02 }`.
fn trigger(table: &mut Table<'_, '_>) -> Option<Trigger> {
    let field = "hedge.trigger";
    let mut trigger = None;
    if table.may_be_value(field) {
        trigger = table.get(field, Plain(named_trigger, || Shape::Choice(vec!["fixed"])));
    }
    if table.may_be_table(field) {
        table.within(field, "hedge.trigger.", |table| {
            let quantile = table.get_as("hedge.trigger.quantile", field, NUMBER);
            let load = table.get_as("hedge.trigger.load", field, NUMBER);
            table.exactly_one("exactly one of `quantile` and `load` is needed");
            trigger = quantile.map(Trigger::Quantile).or(load.map(Trigger::Load));
        });
    }
    trigger
}

fn named_trigger(node: &Node) -> Read<Trigger> {
    let forms = "\"fixed\", { quantile = 0.95 } or { load = 0.02 }";
    let Value::Text(name) = &node.value else {
        return Err(Wrong::kind(forms, &node.value));
    };
    if name == "fixed" {
        return Ok(Trigger::Fixed);
    }
    let wrong = Wrong::value(format!("{} is none of {forms}", quoted(name)));
    let word: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    let share = name[word.len()..].trim_matches(|c| matches!(c, '(' | ')' | ' ' | '=' | ':'));
    let meant = closest(&word, ["fixed", "quantile", "load"]);
    Err(wrong.suggest(match (meant, share.parse::<f64>()) {
        (Some("fixed"), _) => Some("\"fixed\"".to_owned()),
        (Some(kind), Ok(share)) => Some(format!("{{ {kind} = {share} }}")),
        (Some("load"), Err(_)) => Some("{ load = 0.02 }".to_owned()),
        (Some(_), Err(_)) => Some("{ quantile = 0.95 }".to_owned()),
        (None, _) => None,
    }))
}

fn budgets(reader: &mut Reader<'_>, node: &Node, found: &mut BTreeMap<String, Budget>) {
    let Value::Table(entries) = &node.value else {
        reader.error(node.at, "budgets", Wrong::kind("a table", &node.value));
        return;
    };
    for Entry { key, at, node } in entries {
        let path = join("budgets", key);
        if let Err(wrong) = budget_name(key, found) {
            reader.error(*at, &path, wrong);
        } else if let Some(budget) = budget(reader, node, path) {
            found.insert(key.clone(), budget);
        }
    }
}

fn budget_name(name: &str, found: &BTreeMap<String, Budget>) -> Result<(), Wrong> {
    if let Some(fault) = Budget::name_fault(name) {
        return Err(fault.into());
    }
    if found.contains_key(name) {
        let (kind, suggestion) = (PolicyErrorKind::Duplicate, None);
        return Err(Wrong { kind, message: "is there twice".to_owned(), suggestion });
    }
    Ok(())
}

pub(super) const KINDS: [&str; 6] =
    ["ratio", "token_bucket", "in_flight", "concurrency", "throttle", UNLIMITED];

fn budget(reader: &mut Reader<'_>, node: &Node, path: String) -> Option<Budget> {
    let mut written = Vec::new();
    let mut table = Table::open(reader, node, path.clone(), "", &mut written)?;
    let kind = table.need("kind", Choice(&KINDS, |kind| kind))?;
    let budget = budget_of(&mut table, kind);
    table.close();
    for fault in budget.iter().flat_map(Budget::faults) {
        let at = written.iter().find(|field| field.field == fault.field).map(|field| field.at);
        let field = join(&path, fault.field);
        reader.error(at.unwrap_or(node.at), &field, fault.into());
    }
    budget
}

/// A budget of this kind.
pub(super) fn budget_of(table: &mut Table<'_, '_>, kind: &str) -> Option<Budget> {
    Some(match kind {
        "ratio" => return ratio(table),
        "token_bucket" => {
            let capacity = table.need("capacity", COUNT);
            let refill = table.need("refill_per_sec", NUMBER);
            Budget::token_bucket(capacity?, refill?)
        }
        "in_flight" => {
            let (ratio, min) = (table.need("ratio", NUMBER), table.need("min", COUNT));
            Budget::in_flight(ratio?, min?)
        }
        "concurrency" => Budget::concurrency(table.need("max", COUNT)?),
        "throttle" => {
            let tokens = table.need("max_tokens", COUNT);
            let ratio = table.need("token_ratio", NUMBER);
            Budget::throttle(tokens?, ratio?)
        }
        _ => Budget::Unlimited,
    })
}

fn ratio(table: &mut Table<'_, '_>) -> Option<Budget> {
    let ratio = table.need("ratio", NUMBER);
    let window = table.get("window", DURATION);
    let cap = table.get("cap", COUNT);
    let floor = table.get("min_per_sec", NUMBER);
    let start = table.get("start", COUNT);
    let funding = table.get("funding", Choice(&Funding::ALL, Funding::label));
    let mut budget = Budget::ratio(ratio?);
    budget = window.map_or(budget, |window| budget.window(window.to_duration()));
    budget = cap.map_or(budget, |cap| budget.cap(cap));
    budget = floor.map_or(budget, |floor| budget.min_per_sec(floor));
    budget = start.map_or(budget, |start| budget.start(start));
    if funding == Some(Funding::Requests) {
        budget = budget.funded_by_requests();
    }
    Some(budget.into())
}
