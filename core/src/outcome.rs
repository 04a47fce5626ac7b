//! What a classifier makes of a completion.
