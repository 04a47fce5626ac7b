//! Everything the calls of one key share, counters included.
