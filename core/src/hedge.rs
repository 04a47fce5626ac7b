//! When a second attempt is worth it: triggers, the planner, the gate.
