//! Where policies come from and how they change.
//!
//! A [`Book`] is one consistent set: policies, what their names stand for, and where they came
//! from. It never changes; a reload makes another one and swaps it in. Balances live outside of it,
//! so a reload keeps them.

use std::collections::HashMap;

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

/// One consistent set of policies.
#[derive(Debug, Default)]
pub(crate) struct Book {
    exact: HashMap<Box<str>, Entry>,
    /// By namespace: `svc` for `svc.*`.
    namespaces: HashMap<Box<str>, Entry>,
    default: Policy,
    default_source: PolicySource,
    budgets: HashMap<Box<str>, Arc<BudgetState>>,
    classifiers: Classifiers,
    mode: Mode,
}

#[derive(Clone, Debug)]
struct Entry {
    policy: Policy,
    source: PolicySource,
}

impl Book {
    pub(crate) fn new(classifiers: Classifiers, mode: Mode) -> Self {
        Self { classifiers, mode, ..Self::default() }
    }

    /// Puts a policy in for `svc.Method` or for all of `svc.*`.
    pub(crate) fn insert(&mut self, key: &Key, policy: Policy, source: PolicySource) {
        let entry = Entry { policy, source };
        if key.name() == "*" && !key.namespace().is_empty() {
            self.namespaces.insert(key.namespace().into(), entry);
        } else {
            self.exact.insert(key.as_str().into(), entry);
        }
    }

    pub(crate) fn set_default(&mut self, policy: Policy, source: PolicySource) {
        self.default = policy;
        self.default_source = source;
    }

    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// The engine's own mode.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn insert_budget(&mut self, name: &str, budget: Arc<BudgetState>) {
        self.budgets.insert(name.into(), budget);
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

    /// A copy to change.
    pub(crate) fn revise(&self) -> Self {
        Self {
            exact: self.exact.clone(),
            namespaces: self.namespaces.clone(),
            default: self.default.clone(),
            default_source: self.default_source,
            budgets: self.budgets.clone(),
            classifiers: self.classifiers.clone(),
            mode: self.mode,
        }
    }

    /// The policies, and the key each was given for.
    pub(crate) fn policies(&self) -> impl Iterator<Item = (&str, &Policy)> {
        let all = self.exact.iter().chain(&self.namespaces);
        all.map(|(key, entry)| (&**key, &entry.policy))
    }

    /// Exact, then the namespace, then the default.
    fn find(&self, key: &Key) -> (&Policy, PolicySource) {
        let found = self.exact.get(key.as_str()).or_else(|| self.namespaces.get(key.namespace()));
        found.map_or((&self.default, self.default_source), |entry| (&entry.policy, entry.source))
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
            Named::Auto
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

/// The budgets a site gets for itself.
pub(crate) fn own_budgets(key: &str, now: Nanos) -> Own {
    let retry = Budget::from(Budget::ratio(0.1));
    let hedge = hedge_budget(&Policy::default());
    Own {
        retry: Arc::new(BudgetState::new(key, &retry, Deposits::PerCall, now)),
        hedge: Arc::new(BudgetState::new(key, &hedge, Deposits::OnRefresh, now)),
    }
}

/// What a site's hedges may cost unless its policy names a budget: what its trigger asks for.
fn hedge_budget(policy: &Policy) -> Budget {
    let share = match policy.hedge.trigger {
        Trigger::Fixed => 0.05,
        Trigger::Quantile(p) => 1.0 - p,
        Trigger::Load(x) => x,
    };
    Budget::ratio(share).cap(10).min_per_sec(0.0).funded_by_requests().into()
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
