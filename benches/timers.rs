//! The benchmark of this name: see the library.

fn main() {
    rego_benches::run("timers", rego_benches::timers::GROUPS);
}
