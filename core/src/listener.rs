//! The trait through which drivers tell whoever listens.

use crate::{
    clock::Nanos,
    notes::{CallFacts, Note},
};

/// Told by the drivers what happens, after the machine is done with the event and never under a
/// lock. Nothing it does changes a result.
pub(crate) trait Listener: Send + Sync + std::fmt::Debug {
    /// A call started.
    fn started(&self, key: &str, at: Nanos);

    /// Something happened in a call.
    fn noted(&self, key: &str, note: &Note);

    /// A call ended.
    fn ended(&self, call: &CallFacts);
}
