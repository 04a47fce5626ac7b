//! The project's recipes: `cargo xtask check | test | tidy | gen | …`.

fn main() {}
