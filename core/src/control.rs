//! Where policies come from and how they change.
//!
//! A [`Book`] is one consistent set: policies, what their names stand for, and where they came
//! from. It never changes; a reload makes another one and swaps it in. Balances live outside of it,
//! so a reload keeps them.

use std::collections::HashMap;

#[cfg(feature = "documents")]
use crate::policy::{Document, PolicyErrors};

use crate::{
    budget::{BudgetState, Deposits},
    classify::{Classifiers, Named},
    clock::Nanos,
    key::Key,
    notes::Attribute,
    policy::{Budget, Mode, Policy, Trigger, UNLIMITED},
    site::{Own, Terms},
    sync::Arc,
    verdict::PolicySource,
};

/// One consistent set of policies: those the program has put in, over them those of the document
/// that was loaded last, and over these what the program has put in since.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    built: Layer,
    loaded: Layer,
    /// Since the last load.
    set: Layer,
    built_in: Arc<Policy>,
    /// The budgets that the program defines: a document may redefine them, as long as it is in
    /// force.
    #[cfg_attr(not(feature = "documents"), allow(dead_code, reason = "for documents"))]
    defined: HashMap<Box<str>, Budget>,
    budgets: HashMap<Box<str>, Arc<BudgetState>>,
    classifiers: Classifiers,
    mode: Mode,
}

/// Policies from one place.
#[derive(Clone, Debug, Default)]
struct Layer {
    source: PolicySource,
    exact: HashMap<Box<str>, Arc<Policy>>,
    /// By namespace: `svc` for `svc.*`.
    namespaces: HashMap<Box<str>, Arc<Policy>>,
    default: Option<Arc<Policy>>,
}

impl Layer {
    /// Of the program itself.
    fn of_program() -> Self {
        Self { source: PolicySource::Static, ..Self::default() }
    }

    fn insert(&mut self, key: &Key, policy: Arc<Policy>) {
        match key.as_namespace() {
            Some(namespace) => self.namespaces.insert(namespace.into(), policy),
            None => self.exact.insert(key.as_str().into(), policy),
        };
    }
}

impl Book {
    pub(crate) fn new(classifiers: Classifiers, mode: Mode) -> Self {
        let (built, set) = (Layer::of_program(), Layer::of_program());
        Self { built, set, classifiers, mode, ..Self::default() }
    }

    /// Puts a policy in for `svc.Method` or for all of `svc.*`.
    pub(crate) fn insert(&mut self, key: &Key, policy: Policy) {
        self.built.insert(key, Arc::new(policy));
    }

    /// As [`insert`](Self::insert), and in place of what a document says of it, until the next one
    /// is loaded.
    pub(crate) fn set(&mut self, key: &Key, policy: Policy) {
        let policy = Arc::new(policy);
        self.built.insert(key, Arc::clone(&policy));
        self.set.insert(key, policy);
    }

    pub(crate) fn set_default(&mut self, policy: Policy) {
        self.built.default = Some(Arc::new(policy));
    }

    /// Replaces what was loaded before by this document: all of it, or nothing. Nothing that only
    /// an earlier document says is left: it is as after a restart, but for balances.
    #[cfg(feature = "documents")]
    pub(crate) fn load(
        &mut self,
        document: &Document,
        source: PolicySource,
        now: Nanos,
    ) -> Result<(), PolicyErrors> {
        let budgets: Vec<&str> = self.defined.keys().map(|name| &**name).collect();
        let classifiers: Vec<&str> = self.classifiers.names().collect();
        document.validate_names(&budgets, &classifiers)?;
        let mut loaded = Layer { source, ..Layer::default() };
        for (pattern, policy) in document.policies() {
            let key = Key::parse(pattern).expect("a document's keys have been parsed");
            loaded.insert(&key, Arc::new(Policy::clone(policy)));
        }
        loaded.default = document.own_defaults().map(|policy| Arc::new((**policy).clone()));
        self.loaded = loaded;
        self.set = Layer::of_program();
        self.budgets = self.budgets_with(document, now);
        Ok(())
    }

    /// The program's budgets, and over them those of a document. Those that keep their name and
    /// kind keep their balance.
    #[cfg(feature = "documents")]
    fn budgets_with(&self, document: &Document, now: Nanos) -> HashMap<Box<str>, Arc<BudgetState>> {
        let program = self.defined.iter().map(|(name, definition)| (&**name, definition));
        let definitions: HashMap<&str, &Budget> = program.chain(document.budgets()).collect();
        let states = definitions.into_iter().map(|(name, definition)| {
            let live = self.budgets.get(name).filter(|live| live.reconfigure(definition, now));
            let new = || BudgetState::new(name, definition, Deposits::PerCall, now);
            (name.into(), live.map_or_else(|| Arc::new(new()), Arc::clone))
        });
        states.collect()
    }

    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// The engine's own mode.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The program defines a budget.
    pub(crate) fn define(&mut self, name: &str, definition: &Budget, now: Nanos) {
        let state = BudgetState::new(name, definition, Deposits::PerCall, now);
        self.defined.insert(name.into(), definition.clone());
        self.budgets.insert(name.into(), Arc::new(state));
    }

    pub(crate) fn budgets(&self) -> impl Iterator<Item = &Arc<BudgetState>> {
        self.budgets.values()
    }

    pub(crate) fn budget(&self, name: &str) -> Option<&Arc<BudgetState>> {
        self.budgets.get(name)
    }

    pub(crate) fn classifiers(&self) -> &Classifiers {
        &self.classifiers
    }

    /// The most particular policy: of the key, of its namespace, of all keys; of two that are
    /// equally particular, the one that was put in force last.
    fn find(&self, key: &Key) -> (&Policy, PolicySource) {
        let layers = [&self.set, &self.loaded, &self.built];
        let exact = |layer: &&'_ Layer| layer.exact.contains_key(key.as_str());
        let namespace = |layer: &&'_ Layer| layer.namespaces.contains_key(key.namespace());
        if let Some(layer) = layers.into_iter().find(exact) {
            return (&layer.exact[key.as_str()], layer.source);
        }
        if let Some(layer) = layers.into_iter().find(namespace) {
            return (&layer.namespaces[key.namespace()], layer.source);
        }
        for layer in layers {
            if let Some(policy) = &layer.default {
                return (policy, layer.source);
            }
        }
        (&self.built_in, PolicySource::Default)
    }

    /// The terms of a key. `own` are the site's own budgets, which a policy gets that names none.
    pub(crate) fn terms(&self, key: &Key, own: &Own, now: Nanos) -> Terms {
        let (policy, source) = self.find(key);
        let mut attributes = attributes(policy);
        let classifier = self.classifier(policy.classifier(), &mut attributes);
        let retry_budget =
            self.budget_of(policy.retry_budget(), &own.retry, "retry_budget", &mut attributes);
        let hedge_budget = if policy.hedge.enabled {
            let _ = own.hedge.reconfigure(&hedge_budget(policy), now);
            self.budget_of(policy.hedge_budget(), &own.hedge, "hedge_budget", &mut attributes)
        } else {
            None
        };
        Terms {
            mode: policy.mode.stricter(self.mode),
            policy: policy.clone(),
            source,
            classifier,
            retry_budget,
            hedge_budget,
            attributes,
        }
    }

    fn classifier(&self, name: &str, attributes: &mut Vec<Attribute>) -> Named {
        self.classifiers.get(name).unwrap_or_else(|| {
            attributes.push(Attribute::new("classifier_not_found", name));
            Named::default()
        })
    }

    fn budget_of(
        &self,
        name: Option<&str>,
        own: &Arc<BudgetState>,
        field: &'static str,
        attributes: &mut Vec<Attribute>,
    ) -> Option<Arc<BudgetState>> {
        match name {
            None => Some(Arc::clone(own)),
            Some(UNLIMITED) => None,
            Some(name) => Some(self.budget(name).map_or_else(
                || {
                    attributes.push(Attribute::new("budget_not_found", format!("{field} {name}")));
                    Arc::clone(own)
                },
                Arc::clone,
            )),
        }
    }
}

/// How many hedges a site may have saved up. Hedges come in bursts even at a steady rate: measured
/// with lognormal service times, a cap of 10 delivers 4.76 % where 5 % are configured, 20 delivers
/// 4.88 to 4.90 %, and 40 lets more than 1 % through just after a slow-down.
const HEDGE_CAP: u32 = 20;

/// The budgets a site gets for itself.
pub(crate) fn own_budgets(key: &str, now: Nanos) -> Own {
    let retry = own_retry_budget();
    let hedge = hedge_budget(&Policy::default());
    Own {
        retry: Arc::new(BudgetState::new(key, &retry, Deposits::PerCall, now)),
        hedge: Arc::new(BudgetState::new(
            &format!("{key}/hedge"),
            &hedge,
            Deposits::OnRefresh,
            now,
        )),
    }
}

/// What a site's retries may cost unless its policy names a budget: a tenth of what is answered.
/// Every process of a fleet has a start and a floor of its own, and a server that is nearly full
/// has to bear all of them after an outage: `docs/adr/0011`.
fn own_retry_budget() -> Budget {
    Budget::ratio(0.1).into()
}

/// What a site's hedges may cost unless its policy names a budget: what its trigger asks for, but
/// for three in a thousand, so that luck does not make it more than was promised.
fn hedge_budget(policy: &Policy) -> Budget {
    let share = match policy.hedge.trigger {
        Trigger::Fixed => 0.05,
        Trigger::Quantile(p) => 1.0 - p,
        Trigger::Load(x) => x,
    };
    Budget::ratio(share * 0.997)
        .cap(HEDGE_CAP)
        .min_per_sec(0.0)
        .start(5)
        .funded_by_requests()
        .into()
}

fn attributes(policy: &Policy) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    if !policy.normalized.is_empty() {
        let fields: Vec<_> = policy.normalized.iter().map(|clamp| clamp.field).collect();
        attributes.push(Attribute::new("policy_normalized", "true"));
        attributes.push(Attribute::new("policy_clamped_fields", fields.join(",")));
    }
    if policy.hedging_refused {
        attributes.push(Attribute::new("hedging_refused", "not_idempotent"));
    }
    attributes
}
