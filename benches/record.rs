//! The benchmark of this name: see the library.

fn main() {
    rego_benches::run("record", rego_benches::record::GROUPS);
}
