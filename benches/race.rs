//! The benchmark of this name: see the library.

fn main() {
    rego_benches::run("race", rego_benches::race::GROUPS);
}
