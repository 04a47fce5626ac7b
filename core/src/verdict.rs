//! How a call ended and why: the closed list of reasons.
