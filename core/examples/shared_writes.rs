//! Prints how many shared words a call changes that succeeds at once: `cargo xtask goals` asks.

use rego::{Budget, Engine, Policy, rooms::sync::changes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const CALLS: u64 = 1_000;
    let engine = Engine::builder()
        .ignore_environment()
        .budget("users", Budget::ratio(0.1))
        .policy("svc.Get", Policy::builder().retry_budget("users").build()?)
        .build()?;
    let site = engine.site("svc.Get");
    site.run(|_| Ok::<_, std::io::Error>(()))?;
    let before = changes();
    for call in 0..CALLS {
        site.run(|_| Ok::<_, std::io::Error>(call))?;
    }
    println!("{}", (changes() - before) as f64 / CALLS as f64);
    Ok(())
}
