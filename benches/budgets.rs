//! The benchmark of this name: see the library.

fn main() {
    rego_benches::run("budgets", rego_benches::budgets::GROUPS);
}
