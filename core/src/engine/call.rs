//! One call with options of its own.

use std::time::Duration;

use super::CallSite;
use crate::{
    clock::Nanos,
    drive::{self, Attempt, CancelToken, Error, Nested, Options},
    notes::Timeline,
    policy::Idempotent,
};

/// One call with options of its own: made by [`CallSite::call`].
///
/// ```
/// use rego::{CancelToken, Engine};
/// use std::time::Duration;
///
/// let engine = Engine::builder().build()?;
/// let get_user = engine.site("user-service.GetUser");
/// let token = CancelToken::new();
/// let user = get_user
///     .call()
///     .deadline(Duration::from_millis(50))
///     .idempotent(true)
///     .cancel(&token)
///     .run(|_| Ok::<_, std::io::Error>("ada"))?;
/// assert_eq!(user, "ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a call is made by one of its `run…` or `race…` methods"]
pub struct CallBuilder<'a> {
    site: &'a CallSite,
    options: Options,
}

impl<'a> CallBuilder<'a> {
    pub(super) fn new(site: &'a CallSite) -> Self {
        Self { site, options: Options::default() }
    }

    /// How long the caller will wait, from the call's start; the policy's overall timeout holds
    /// besides.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.options.within = Some(Nanos::from(within));
        self
    }

    /// Until when the caller will wait, on the engine's clock.
    pub fn deadline_at(mut self, until: Nanos) -> Self {
        self.options.until = Some(until);
        self
    }

    /// Whether repeating this request is safe, whatever the policy says of its key.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.options.idempotent = if idempotent { Idempotent::Yes } else { Idempotent::No };
        self
    }

    /// Lets the token take the call back.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.options.cancel = Some(token.clone());
        self
    }

    /// How much the call matters. Carried along; nothing hangs on it yet.
    pub fn priority(mut self, priority: u8) -> Self {
        self.options.priority = priority;
        self
    }

    /// Makes this a call inside an attempt of another one: it gets that attempt's deadline, and no
    /// retries while the outer call still has some.
    pub fn inside(mut self, outer: Nested) -> Self {
        self.options.until = Some(outer.until.min(self.options.until.unwrap_or(Nanos::NEVER)));
        self.options.no_retries |= outer.no_retries;
        self
    }

    /// As [`CallSite::run`].
    ///
    /// # Errors
    ///
    /// As [`Engine::run`](super::Engine::run).
    ///
    /// # Panics
    ///
    /// As [`Engine::run`](super::Engine::run).
    pub fn run<T, E: 'static>(
        self,
        op: impl FnMut(&Attempt<'_>) -> Result<T, E>,
    ) -> Result<T, Error<E>> {
        drive::inline::run(&self.site.host, &self.site.site, &self.options, op, None)
    }

    /// As [`run`](Self::run), and tells what happened.
    ///
    /// # Panics
    ///
    /// As [`Engine::run`](super::Engine::run).
    pub fn run_with_timeline<T, E: 'static>(
        self,
        op: impl FnMut(&Attempt<'_>) -> Result<T, E>,
    ) -> (Result<T, Error<E>>, Timeline) {
        let mut timeline = None;
        let CallSite { host, site, .. } = self.site;
        let result = drive::inline::run(host, site, &self.options, op, Some(&mut timeline));
        (result, timeline.expect("a call that ends writes its timeline"))
    }

    /// As [`CallSite::race`].
    ///
    /// # Errors
    ///
    /// As [`Engine::run`](super::Engine::run).
    ///
    /// # Panics
    ///
    /// As [`Engine::race`](super::Engine::race).
    pub fn race<T, E, F>(self, op: F) -> Result<T, Error<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
    {
        self.site.race_with(&self.options, op, None)
    }

    /// As [`race`](Self::race), and tells what happened.
    ///
    /// # Panics
    ///
    /// As [`Engine::race`](super::Engine::race).
    pub fn race_with_timeline<T, E, F>(self, op: F) -> (Result<T, Error<E>>, Timeline)
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
    {
        let mut timeline = None;
        let result = self.site.race_with(&self.options, op, Some(&mut timeline));
        (result, timeline.expect("a call that ends writes its timeline"))
    }
}
