//! The wheel: who wakes when.
