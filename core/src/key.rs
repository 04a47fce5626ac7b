//! What a caller names: a low-cardinality call site, `namespace.name`.
