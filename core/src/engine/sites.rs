//! The sites of an engine: found by key, made when a key is new.

use super::{Inner, OTHER};
use crate::{
    clock::Nanos,
    control::{self, Book},
    key::{self, Key},
    listener::Warning,
    policy::Policy,
    registry::{Entry, Named},
    site::Site,
    sync::{Arc as Shared, Ordering},
};

impl Inner {
    /// One hash, one look-up; a site is made for a key that is new. A key is looked up as it is
    /// spelled: sites stand under canonical keys, so what is found needs no parsing.
    #[inline]
    pub(super) fn find(&self, key: &str) -> Entry<'_, Site> {
        self.sites.get(key).unwrap_or_else(|| self.find_canonical(key))
    }

    #[cold]
    fn find_canonical(&self, key: &str) -> Entry<'_, Site> {
        let Some(key) = key::canonical(key).ok().filter(|key| *key != OTHER) else {
            return self.sites.overflow();
        };
        self.sites.get(key).unwrap_or_else(|| self.enter(key))
    }

    /// Makes the site of a key that is new. No book comes into force between its making and its
    /// being found: that site would be passed over.
    #[cold]
    fn enter(&self, key: &str) -> Entry<'_, Site> {
        if self.sites.count() >= self.sites.max() {
            self.refuse(key);
            return self.sites.overflow();
        }
        let mut made = None;
        let entry = {
            let _no_revision = self.revising.lock();
            self.sites.get_or_insert_with(key, || {
                let site = make_site(&self.book.load(), key, self.host.clock.now());
                made = Some(site.terms().policy.clone());
                site
            })
        };
        for doubt in made.iter().flat_map(doubts) {
            self.warn(key, doubt);
        }
        entry
    }

    fn refuse(&self, key: &str) {
        // Relaxed: a count.
        self.keys_refused.fetch_add(1, Ordering::Relaxed);
        if self.sites.overflow().value().warn_once(Warning::KeysFull) {
            self.warn(key, Warning::KeysFull);
        }
    }

    /// Puts the book in force for every site. What is doubtful of the policies that come with it is
    /// for the caller to tell, once it holds no lock.
    pub(super) fn install_everywhere(&self) -> Vec<(&Site, Warning)> {
        let (book, now) = (self.book.load(), self.host.clock.now());
        let mut doubtful = Vec::new();
        for entry in self.sites.iter().chain([self.sites.overflow()]) {
            let site = entry.value();
            let before = site.shared_terms();
            install(&book, site, now);
            let terms = site.terms();
            if terms.policy != before.policy {
                doubtful.extend(doubts(&terms.policy).map(|doubt| (site, doubt)));
            }
        }
        doubtful
    }

    pub(super) fn warn(&self, key: &str, warning: Warning) {
        if let Some(listener) = &self.host.listener {
            listener.warned(key, self.host.clock.now(), warning);
        }
    }
}

/// Where a policy is in force otherwise than it was written.
fn doubts(policy: &Policy) -> impl Iterator<Item = Warning> + use<> {
    let refused = policy.hedging_refused().then_some(Warning::NotIdempotent);
    let clamped = (!policy.normalized().is_empty()).then_some(Warning::PolicyClamped);
    refused.into_iter().chain(clamped)
}

pub(super) fn make_site(book: &Book, key: &str, now: Nanos) -> Shared<Site> {
    let own = control::own_budgets(key, now);
    let terms = Shared::new(book.terms(&parsed(key), &own, now));
    Shared::new(Site::new(key, own, terms).since(now))
}

fn install(book: &Book, site: &Site, now: Nanos) {
    site.install(Shared::new(book.terms(&parsed(site.name()), site.own(), now)));
}

fn parsed(key: &str) -> Key {
    Key::parse(key).expect("sites are made for keys that have been parsed")
}

impl Named for Site {
    fn name(&self) -> &str {
        self.name()
    }
}
