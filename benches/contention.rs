//! The benchmark of this name: see the library.

fn main() {
    rego_benches::run("contention", rego_benches::contention::GROUPS);
}
