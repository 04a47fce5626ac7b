//! Figures of now, for dashboards and tests.

use super::{CallSite, Engine};

impl CallSite {
    /// How many [races](Self::race) of this key are in the air now, over all threads and handles.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.site.in_flight()
    }

    /// How many attempts of this key were given up and still run: losers, and what outlived its
    /// call. Above 8, and a tenth of the calls in flight, no extra attempts are made.
    ///
    /// ```
    /// let site = rego::Engine::builder().build()?.site("svc.Get");
    /// assert_eq!((site.in_flight(), site.abandoned()), (0, 0));
    /// # Ok::<(), rego::BuildError>(())
    /// ```
    #[must_use]
    pub fn abandoned(&self) -> u32 {
        self.site.abandoned()
    }
}

impl Engine {
    /// How many attempts of cost 1 a budget would still pay for; infinite if it does not count
    /// them, `None` if there is no budget of that name.
    ///
    /// ```
    /// use rego::{Budget, Engine};
    ///
    /// let engine = Engine::builder().budget("extra", Budget::concurrency(4)).build()?;
    /// assert_eq!(engine.budget_available("extra"), Some(4.0));
    /// # Ok::<(), rego::BuildError>(())
    /// ```
    #[must_use]
    pub fn budget_available(&self, name: &str) -> Option<f64> {
        let now = self.0.host.clock.now();
        self.0.book.load().budget(name).map(|budget| budget.available(now))
    }
}
