//! How policies change under an engine that runs.

use std::convert::Infallible;

use super::{
    BuildError, Engine,
    builder::{check_names, pattern},
};
#[cfg(feature = "documents")]
use crate::policy::{Document, Format, Origin, PolicyErrors};
#[cfg(feature = "documents")]
use crate::verdict::PolicySource;
use crate::{
    control::Book,
    policy::{Mode, Policy},
    sync::Arc as Shared,
};

impl Engine {
    /// Puts a policy in force for `svc.Method` or `svc.*`, for calls that start from now on: in place
    /// of what the loaded document says of it, until another one is loaded. From then on it is as if
    /// it had been given to the builder.
    ///
    /// A key that has a policy of its own, whoever put that in force and when, does not take that of
    /// its namespace. For all keys at once there is [`set_mode`](Self::set_mode).
    ///
    /// ```
    /// use rego::{Engine, Policy};
    ///
    /// let engine = Engine::builder().build()?;
    /// engine.set_policy("svc.Get", Policy::builder().max_attempts(1).build()?)?;
    /// assert_eq!(engine.site("svc.Get").policy().max_attempts(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`EngineBuilder::build`](crate::EngineBuilder::build): a key that is none, a budget or a
    /// classifier that is named and not defined. What was in force stays so.
    pub fn set_policy(&self, key: &str, policy: Policy) -> Result<(), BuildError> {
        let pattern = pattern(key)?;
        self.revise(|book| {
            check_names(book, key, &policy)?;
            book.set(&pattern, policy);
            Ok(())
        })
    }

    /// Puts a document in force, in place of the one loaded before: all of it, or nothing. Of the one
    /// before nothing is left: a budget that only it defined is undefined, and one of the builder's
    /// that it redefined is the builder's again. Calls in the air keep the terms they started with;
    /// budgets that keep their name and kind keep their balance; latency keeps its samples.
    ///
    /// ```
    /// use rego::{Document, Engine, Format};
    ///
    /// let engine = Engine::builder().build()?;
    /// let text = "schema = 1\n[policies.\"svc.Get\".retry]\nmax_attempts = 5\n";
    /// engine.load(&Document::parse(text, Format::Toml, "policies.toml")?)?;
    /// assert_eq!(engine.site("svc.Get").policy().max_attempts(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every budget and classifier that is named and not defined; what was in force stays so.
    #[cfg(feature = "documents")]
    pub fn load(&self, document: &Document) -> Result<(), PolicyErrors> {
        let source = source(document.origin());
        let now = self.0.host.clock.now();
        let loaded = self.revise(|book| book.load(document, source, now));
        self.0.loads.count(source, loaded.is_ok());
        loaded
    }

    /// Reads a document and [loads](Self::load) it. One that cannot be read is counted as rejected,
    /// as one that cannot be loaded: `rego_policy_updates_total`.
    ///
    /// ```
    /// use rego::{Engine, Format};
    ///
    /// let engine = Engine::builder().build()?;
    /// let errors = engine.load_text(b"schema = 1\nretries = \xff", Format::Toml, "a.toml");
    /// assert_eq!(errors.unwrap_err().to_string(), "a.toml:2:11: this is not UTF-8");
    /// let counted = "rego_policy_updates_total{source=\"file\",result=\"rejected\"} 1";
    /// assert!(engine.metrics().contains(counted));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it: as [`Document::parse`], and as [`load`](Self::load). Bytes
    /// that are not UTF-8 are a fault at the place of the first of them.
    #[cfg(feature = "documents")]
    pub fn load_text(
        &self,
        text: impl AsRef<[u8]>,
        format: Format,
        origin: impl Into<Origin>,
    ) -> Result<(), PolicyErrors> {
        let origin = origin.into();
        let source = source(&origin);
        match Document::parse_bytes(text.as_ref(), format, origin) {
            Ok(document) => self.load(&document),
            Err(errors) => {
                self.0.loads.count(source, false);
                Err(errors)
            }
        }
    }

    /// The kill switch: `Observe` makes one attempt per call and records what would have been
    /// done, `Off` makes one plain attempt. For calls that start from now on.
    pub fn set_mode(&self, mode: Mode) {
        let set = self.revise(|book| {
            book.set_mode(mode);
            Ok::<_, Infallible>(())
        });
        match set {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    /// The engine's own mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.book.load().mode()
    }

    /// Changes a copy of the book and swaps it in, or leaves all as it was.
    fn revise<E>(&self, change: impl FnOnce(&mut Book) -> Result<(), E>) -> Result<(), E> {
        let doubtful = {
            let _one_at_a_time = self.0.revising.lock();
            let mut book = Book::clone(&self.0.book.load());
            change(&mut book)?;
            self.0.book.store(Shared::new(book));
            self.0.install_everywhere()
        };
        for (site, doubt) in doubtful {
            self.0.warn(site.name(), doubt);
        }
        Ok(())
    }
}

#[cfg(feature = "documents")]
fn source(origin: &Origin) -> PolicySource {
    match origin {
        Origin::File(_) => PolicySource::File,
        Origin::Remote(_) => PolicySource::Remote,
    }
}
