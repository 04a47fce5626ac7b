//! A survival curve over buckets: what latency publishes and the planner reads.
use crate::clock::Nanos;
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trigger {
    pub(crate) delay: Nanos,
    pub(crate) probability: u16,
    pub(crate) unset: bool,
}
impl Trigger {
    pub(crate) fn always(delay: Nanos) -> Self {
        Self { delay, probability: u16::MAX, unset: false }
    }
    pub(crate) fn is_unset(&self) -> bool {
        self.unset
    }
    pub(crate) fn is_suspended(&self) -> bool {
        false
    }
}
