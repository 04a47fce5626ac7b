//! The `rego` program.

fn main() {}
