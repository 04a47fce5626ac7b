//! The benchmark of this name: see the library.

fn main() {
    rego_benches::run("call_path", rego_benches::call_path::GROUPS);
}
