//! An event as the ring keeps it: of one size, and without a pointer.

use std::fmt;

use crate::{
    clock::Nanos,
    listener::Warning,
    notes::{AttemptId, Event},
    verdict::Verdict,
};

/// The most bytes of a key that a record keeps.
const KEY_BYTES: usize = 47;

/// An event of a call, as it comes out of an engine's event ring: a copy that borrows nothing.
///
/// ```
/// use rego::{Engine, EventRecord, Told, Verdict};
///
/// let engine = Engine::builder().event_ring(1_024).build()?;
/// engine.run("svc.Get", |_| Ok::<_, std::io::Error>(7))?;
///
/// let mut events = [EventRecord::default(); 16];
/// let (count, dropped) = engine.drain_events(&mut events);
/// assert_eq!((count, dropped), (3, 0)); // the call starts, its attempt ends, it ends
/// assert_eq!(events[0].key(), "svc.Get");
/// assert!(matches!(events[2].what, Told::CallEnded { verdict: Verdict::Success, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EventRecord {
    /// Which call: the engine's calls are numbered from 0; [`NO_CALL`](Self::NO_CALL) for none.
    pub call: u64,
    /// When, on the engine's clock.
    pub at: Nanos,
    /// What.
    pub what: Told,
    key_bytes: u8,
    key: [u8; KEY_BYTES],
}

/// What an event was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Told {
    /// A call started.
    #[default]
    CallStarted,
    /// Something happened in a call; never [`Event::Done`].
    Noted(Event),
    /// Something about the engine is not as its owner may think. It belongs to no call.
    Warned(Warning),
    /// A call ended.
    CallEnded {
        /// When it had started.
        started: Nanos,
        /// How it ended.
        verdict: Verdict,
        /// Which attempt's result was returned, if any.
        answer: Option<AttemptId>,
        /// How many attempts were launched.
        attempts: u8,
    },
}

impl EventRecord {
    /// The number of no call: what belongs to none carries it.
    pub const NO_CALL: u64 = u64::MAX;

    pub(crate) fn new(call: u64, at: Nanos, key: &str, what: Told) -> Self {
        let kept = key.floor_char_boundary(KEY_BYTES);
        let mut record = Self { call, at, what, ..Self::default() };
        record.key[..kept].copy_from_slice(&key.as_bytes()[..kept]);
        #[expect(clippy::cast_possible_truncation, reason = "at most KEY_BYTES")]
        {
            record.key_bytes = kept as u8;
        }
        record
    }

    /// The call site; of a longer key the first 47 bytes, or as many as make whole characters.
    #[must_use]
    pub fn key(&self) -> &str {
        str::from_utf8(&self.key[..usize::from(self.key_bytes)]).unwrap_or_default()
    }
}

impl Default for EventRecord {
    /// A record of nothing: for buffers.
    fn default() -> Self {
        let what = Told::CallStarted;
        Self { call: 0, at: Nanos::ZERO, what, key_bytes: 0, key: [0; KEY_BYTES] }
    }
}

impl fmt::Debug for EventRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecord")
            .field("call", &self.call)
            .field("at", &self.at)
            .field("key", &self.key())
            .field("what", &self.what)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_whole_or_cut_between_characters() {
        let key = |text: &str| EventRecord::new(0, Nanos::ZERO, text, Told::default());
        for short in ["", "svc.Get", &"k".repeat(47)] {
            assert_eq!(key(short).key(), short);
        }
        assert_eq!(key(&"k".repeat(48)).key(), "k".repeat(47));
        let euros = "€".repeat(20);
        assert_eq!(key(&euros).key(), "€".repeat(15));
    }
}
