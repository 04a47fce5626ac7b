//! How long attempts take: a censored histogram, and the trigger published from it.
