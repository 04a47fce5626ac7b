//! Layers → policies: defaults, over them the namespace, over both the key.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::{
    super::{
        Budget, Policy, PolicyDraft, PolicyError, PolicyErrorKind, Strictness, error::Fault,
        lints::lints, normalize,
    },
    sections::{Found, Layer},
    suggest::closest,
    table::Reader,
    values::{Wrong, quoted},
};

/// What a document says, put together.
pub(super) struct Resolved {
    pub(super) budgets: BTreeMap<String, Budget>,
    pub(super) defaults: Option<Arc<Policy>>,
    pub(super) policies: BTreeMap<String, Arc<Policy>>,
    pub(super) names: Vec<Named>,
}

/// A name that a policy uses and somebody else must define.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    /// The error it is if nobody does, but for the message.
    pub(super) place: PolicyError,
}

pub(super) fn resolve(reader: &mut Reader<'_>, found: Found) -> Resolved {
    let Found { budgets, defaults, policies } = found;
    let mut told = HashSet::new();
    let mut put_together =
        |reader: &mut Reader<'_>, layers: &[&Layer]| Arc::new(merged(reader, layers, &mut told));
    let resolved = policies
        .iter()
        .map(|(pattern, layer)| {
            let namespace = namespace_of(pattern).and_then(|above| policies.get(&above));
            let layers: Vec<&Layer> = defaults.iter().chain(namespace).chain([layer]).collect();
            (pattern.clone(), put_together(reader, &layers))
        })
        .collect();
    let names = defaults.iter().chain(policies.values());
    let names = names.flat_map(|layer| names_of(reader, layer)).collect();
    let defaults = defaults.as_ref().map(|layer| put_together(reader, &[layer]));
    Resolved { budgets, defaults, policies: resolved, names }
}

/// The pattern of a key's namespace; a namespace itself has none.
fn namespace_of(pattern: &str) -> Option<String> {
    let (namespace, name) = pattern.split_once('.')?;
    (name != "*").then(|| format!("{namespace}.*"))
}

/// One policy of several layers, the last the most specific.
fn merged(
    reader: &mut Reader<'_>,
    layers: &[&Layer],
    told: &mut HashSet<(usize, String)>,
) -> Policy {
    let mut draft = PolicyDraft::default();
    layers.iter().for_each(|layer| draft.overlay(&layer.draft));
    let normal = normalize::normalize(&draft, reader.strictness);
    let mut warnings = normal.warnings;
    if reader.strictness == Strictness::Check && normal.faults.is_empty() {
        warnings.extend(lints(&normal.policy));
    }
    let faults = normal.faults.into_iter().map(|fault| (fault, true));
    for (fault, is_error) in faults.chain(warnings.into_iter().map(|fault| (fault, false))) {
        let Some((at, field)) = place(layers, &fault) else { continue };
        // What stands in a layer that many keys share is told once.
        if !told.insert((at, field.clone())) {
            continue;
        }
        match is_error {
            true => reader.error(at, &field, fault.into()),
            false => reader.warn(at, &field, fault.into()),
        }
    }
    normal.policy
}

/// Where a fault was written: in the most specific layer that has a part in it. `None` if a part
/// of it could not be read, so that the fault may be none.
fn place(layers: &[&Layer], fault: &Fault) -> Option<(usize, String)> {
    let last = |field: &'static str| {
        let in_layer =
            |layer: &&Layer| layer.written.iter().rfind(|written| written.field == field).copied();
        layers.iter().enumerate().rev().find_map(|(depth, layer)| Some((depth, in_layer(layer)?)))
    };
    let parts = [Some(fault.field), fault.against].map(|field| field.and_then(last));
    if parts.iter().flatten().any(|(_, written)| !written.good) {
        return None;
    }
    let (depth, written) = parts.into_iter().flatten().rev().max_by_key(|(depth, _)| *depth)?;
    Some((written.at, format!("{}.{}", layers[depth].path, fault.field)))
}

fn names_of(reader: &Reader<'_>, layer: &Layer) -> Vec<Named> {
    use PolicyErrorKind::{UnknownBudget, UnknownClassifier};
    let PolicyDraft { retry, hedge, .. } = &layer.draft;
    [
        ("retry.classifier", &retry.classifier, UnknownClassifier),
        ("retry.budget", &retry.budget, UnknownBudget),
        ("hedge.budget", &hedge.budget, UnknownBudget),
    ]
    .into_iter()
    .filter_map(|(field, name, kind)| {
        let name = name.clone()?;
        let at = layer.written.iter().rfind(|written| written.field == field)?.at;
        let wrong = Wrong { kind, message: String::new(), suggestion: None };
        Some(Named { name, place: reader.tell(at, &format!("{}.{field}", layer.path), wrong) })
    })
    .collect()
}

impl Named {
    /// The error it is if the name is none of those known.
    pub(super) fn unknown(&self, known: &[&str]) -> PolicyError {
        let what = match self.place.kind {
            PolicyErrorKind::UnknownBudget => "budget",
            _ => "classifier",
        };
        PolicyError {
            message: format!("no {what} is named {}", quoted(&self.name)),
            suggestion: closest(&self.name, known.iter().copied()).map(quoted),
            ..self.place.clone()
        }
    }
}
