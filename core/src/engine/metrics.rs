//! What an engine tells of itself: OpenMetrics text, and the events of its calls.

use super::Engine;
use crate::{
    observe::{self, EventRecord, PolicyUpdates, Snapshot, UpdateResult},
    sync::{AtomicU64, Ordering},
    verdict::PolicySource,
};

/// Documents that were put in force, and those that were not, by where they came from.
#[derive(Debug, Default)]
pub(super) struct Loads([[AtomicU64; 2]; 2]);

const SOURCES: [PolicySource; 2] = [PolicySource::File, PolicySource::Remote];
const RESULTS: [UpdateResult; 2] = [UpdateResult::Rejected, UpdateResult::Applied];

impl Loads {
    #[cfg_attr(not(feature = "documents"), allow(dead_code, reason = "for documents"))]
    pub(super) fn count(&self, source: PolicySource, applied: bool) {
        if let Some(place) = SOURCES.iter().position(|known| *known == source) {
            // Relaxed: a count.
            self.0[place][usize::from(applied)].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn updates(&self) -> Vec<PolicyUpdates> {
        let mut updates = Vec::new();
        for (source, counts) in SOURCES.into_iter().zip(&self.0) {
            for (result, count) in RESULTS.into_iter().zip(counts) {
                // Relaxed: a count.
                let count = count.load(Ordering::Relaxed);
                updates.push(PolicyUpdates { source, result, count });
            }
        }
        updates
    }
}

impl Engine {
    /// All metrics as OpenMetrics text, for a scrape. Calls never wait for it; it takes in what
    /// they have recorded, up to 50 µs for each key.
    ///
    /// ```
    /// use rego::Engine;
    ///
    /// let engine = Engine::builder().build()?;
    /// engine.run("svc.Get", |_| Ok::<_, std::io::Error>(1))?;
    /// let text = engine.metrics();
    /// assert!(text.contains(r#"rego_calls_total{key="svc.Get",outcome="success",via="first"} 1"#));
    /// assert!(text.ends_with("# EOF\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> String {
        let inner = &self.0;
        let now = inner.host.clock.now();
        let mut sites: Vec<_> = inner.sites.iter().map(|entry| entry.value()).collect();
        sites.push(inner.sites.overflow().value());
        for site in &sites {
            site.refresh(&site.terms(), now);
        }
        let book = inner.book.load();
        let budgets: Vec<_> = book.budgets().map(|budget| &**budget).collect();
        let observers = inner.observers.as_deref();
        let snapshot = Snapshot {
            now,
            sites: &sites,
            budgets: &budgets,
            updates: &inner.loads.updates(),
            stale: false,
            events_dropped: observers.map_or(0, |observers| observers.events_dropped()),
            observer_panics: observers.map_or(0, |observers| observers.panics()),
            clock_panics: inner.host.clock.panics(),
            // Relaxed: a count.
            keys_refused: inner.keys_refused.load(Ordering::Relaxed),
        };
        let mut text = String::new();
        observe::write(&mut text, &snapshot);
        text
    }

    /// Moves the oldest events out of the [ring](crate::EngineBuilder::event_ring). Answers how
    /// many, and how many were dropped since the beginning for want of room.
    ///
    /// ```
    /// use rego::{Engine, EventRecord};
    ///
    /// let engine = Engine::builder().event_ring(1_024).build()?;
    /// engine.run("svc.Get", |_| Ok::<_, std::io::Error>(1))?;
    /// let mut events = [EventRecord::default(); 16];
    /// let (count, dropped) = engine.drain_events(&mut events);
    /// assert!(count > 0 && dropped == 0);
    /// assert_eq!(events[0].key(), "svc.Get");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_events(&self, into: &mut [EventRecord]) -> (usize, u64) {
        self.0.observers.as_ref().map_or((0, 0), |observers| observers.drain(into))
    }
}
