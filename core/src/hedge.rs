//! When a second attempt is worth it: triggers, the planner, the gate.
pub(crate) fn draw(p: u16, r: u64) -> bool {
    p == u16::MAX || (r >> 48) < u64::from(p)
}
