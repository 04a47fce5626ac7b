//! Observers, the event ring, exposition.
