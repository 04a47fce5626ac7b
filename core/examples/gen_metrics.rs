//! Prints `docs/reference/metrics.md`.

fn main() {
    print!("{}", rego::metrics_reference());
}
