//! How many extra attempts may still be paid for.
